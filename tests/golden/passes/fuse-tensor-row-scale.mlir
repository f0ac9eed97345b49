// neuronc opt --passes fuse,outline,tile-kernels,fuse-tensor
// A row's sum is a column of its block, though the walk over rows of a partition has a step.
func.func @main(%x: tensor<128x96xf32>, %w: tensor<96xf32>) -> tensor<128x96xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [1] : (tensor<128x96xf32>, tensor<f32>) -> tensor<128xf32>
  %1 = stablehlo.broadcast_in_dim %0, dims = [0] : (tensor<128xf32>) -> tensor<128x96xf32>
  %2 = stablehlo.multiply %x, %1 : tensor<128x96xf32>
  %3 = stablehlo.broadcast_in_dim %w, dims = [1] : (tensor<96xf32>) -> tensor<128x96xf32>
  %4 = stablehlo.add %2, %3 : tensor<128x96xf32>
  return %4 : tensor<128x96xf32>
}
