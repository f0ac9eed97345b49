// neuronc opt --passes fuse,outline,tile-kernels,select
// What is one number a row is a scalar of tensor_scalar: half the price of two blocks.
func.func @main(%x: tensor<128x96xf32>) -> tensor<128x96xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [1] : (tensor<128x96xf32>, tensor<f32>) -> tensor<128xf32>
  %1 = stablehlo.broadcast_in_dim %0, dims = [0] : (tensor<128xf32>) -> tensor<128x96xf32>
  %2 = stablehlo.subtract %x, %1 : tensor<128x96xf32>
  return %2 : tensor<128x96xf32>
}
