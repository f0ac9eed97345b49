// neuronc opt --passes fuse,outline,cluster
// Two equal layers, each a contraction and a reduced one, are one kernel called twice.
func.func @main(%x: tensor<128x32xf32>, %v: tensor<32x32xf32>, %w: tensor<32x32xf32>) -> tensor<128x32xf32> {
  %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %0 = stablehlo.dot_general %x, %v, contracting_dims = [1] x [0] : (tensor<128x32xf32>, tensor<32x32xf32>) -> tensor<128x32xf32>
  %1 = stablehlo.reduce(%0 init: %low) applies stablehlo.maximum across dimensions = [1] : (tensor<128x32xf32>, tensor<f32>) -> tensor<128xf32>
  %2 = stablehlo.broadcast_in_dim %1, dims = [0] : (tensor<128xf32>) -> tensor<128x32xf32>
  %3 = stablehlo.subtract %0, %2 : tensor<128x32xf32>
  %4 = stablehlo.dot_general %3, %w, contracting_dims = [1] x [0] : (tensor<128x32xf32>, tensor<32x32xf32>) -> tensor<128x32xf32>
  %5 = stablehlo.reduce(%4 init: %low) applies stablehlo.maximum across dimensions = [1] : (tensor<128x32xf32>, tensor<f32>) -> tensor<128xf32>
  %6 = stablehlo.broadcast_in_dim %5, dims = [0] : (tensor<128xf32>) -> tensor<128x32xf32>
  %7 = stablehlo.subtract %4, %6 : tensor<128x32xf32>
  return %7 : tensor<128x32xf32>
}
