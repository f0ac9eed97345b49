// neuronc opt --passes fuse,outline,cluster
// A contraction and a reduction that follow each other are phases of one kernel.
func.func @main(%x: tensor<128x64xf32>, %w: tensor<64x32xf32>) -> tensor<128xf32> {
  %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<128x64xf32>, tensor<64x32xf32>) -> tensor<128x32xf32>
  %1 = stablehlo.reduce(%0 init: %low) applies stablehlo.maximum across dimensions = [1] : (tensor<128x32xf32>, tensor<f32>) -> tensor<128xf32>
  return %1 : tensor<128xf32>
}
