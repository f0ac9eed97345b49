// neuronc opt --passes match-attention,fuse,outline,tile-kernels
// One query each of four heads: keys lie on the partitions, and one softmax is of all heads.
func.func @main(%q: tensor<4x1x64xf32>, %k: tensor<4x256x64xf32>, %v: tensor<4x256x64xf32>) -> tensor<4x1x64xf32> {
  %0 = stablehlo.dot_general %q, %k, batching_dims = [0] x [0], contracting_dims = [2] x [2] : (tensor<4x1x64xf32>, tensor<4x256x64xf32>) -> tensor<4x1x256xf32>
  %c0 = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %1 = stablehlo.reduce(%0 init: %c0) applies stablehlo.maximum across dimensions = [2] : (tensor<4x1x256xf32>, tensor<f32>) -> tensor<4x1xf32>
  %2 = stablehlo.broadcast_in_dim %1, dims = [0, 1] : (tensor<4x1xf32>) -> tensor<4x1x256xf32>
  %3 = stablehlo.subtract %0, %2 : tensor<4x1x256xf32>
  %4 = stablehlo.exponential %3 : tensor<4x1x256xf32>
  %c1 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %5 = stablehlo.reduce(%4 init: %c1) applies stablehlo.add across dimensions = [2] : (tensor<4x1x256xf32>, tensor<f32>) -> tensor<4x1xf32>
  %6 = stablehlo.broadcast_in_dim %5, dims = [0, 1] : (tensor<4x1xf32>) -> tensor<4x1x256xf32>
  %7 = stablehlo.divide %4, %6 : tensor<4x1x256xf32>
  %8 = stablehlo.dot_general %7, %v, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<4x1x256xf32>, tensor<4x256x64xf32>) -> tensor<4x1x64xf32>
  return %8 : tensor<4x1x64xf32>
}
