// neuronc opt --passes match-attention,fuse,outline,tile-kernels
// A row of 256 scores is whole in PSUM: its maximum is known at once, and nothing is rescaled.
func.func @main(%q: tensor<64x32xf32>, %k: tensor<256x32xf32>, %v: tensor<256x32xf32>) -> tensor<64x32xf32> {
  %0 = stablehlo.dot_general %q, %k, contracting_dims = [1] x [1] : (tensor<64x32xf32>, tensor<256x32xf32>) -> tensor<64x256xf32>
  %c0 = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %1 = stablehlo.reduce(%0 init: %c0) applies stablehlo.maximum across dimensions = [1] : (tensor<64x256xf32>, tensor<f32>) -> tensor<64xf32>
  %2 = stablehlo.broadcast_in_dim %1, dims = [0] : (tensor<64xf32>) -> tensor<64x256xf32>
  %3 = stablehlo.subtract %0, %2 : tensor<64x256xf32>
  %4 = stablehlo.exponential %3 : tensor<64x256xf32>
  %c1 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %5 = stablehlo.reduce(%4 init: %c1) applies stablehlo.add across dimensions = [1] : (tensor<64x256xf32>, tensor<f32>) -> tensor<64xf32>
  %6 = stablehlo.broadcast_in_dim %5, dims = [0] : (tensor<64xf32>) -> tensor<64x256xf32>
  %7 = stablehlo.divide %4, %6 : tensor<64x256xf32>
  %8 = stablehlo.dot_general %7, %v, contracting_dims = [1] x [0] : (tensor<64x256xf32>, tensor<256x32xf32>) -> tensor<64x32xf32>
  return %8 : tensor<64x32xf32>
}
