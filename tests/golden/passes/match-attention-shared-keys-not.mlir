// neuronc opt --passes match-attention
// One softmax over queries and keys together: no row of scores has a sum of its own.
func.func @main(%q: tensor<4x16x8xf32>, %k: tensor<2x16x8xf32>, %v: tensor<2x16x8xf32>) -> tensor<4x16x8xf32> {
  %0 = stablehlo.broadcast_in_dim %k, dims = [0, 2, 3] : (tensor<2x16x8xf32>) -> tensor<2x2x16x8xf32>
  %1 = stablehlo.reshape %0 : (tensor<2x2x16x8xf32>) -> tensor<4x16x8xf32>
  %2 = stablehlo.dot_general %q, %1, batching_dims = [0] x [0], contracting_dims = [2] x [2] : (tensor<4x16x8xf32>, tensor<4x16x8xf32>) -> tensor<4x16x16xf32>
  %c0 = stablehlo.constant dense<3.535534e-01> : tensor<4x16x16xf32>
  %3 = stablehlo.multiply %2, %c0 : tensor<4x16x16xf32>
  %c1 = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %4 = stablehlo.reduce(%3 init: %c1) applies stablehlo.maximum across dimensions = [1, 2] : (tensor<4x16x16xf32>, tensor<f32>) -> tensor<4xf32>
  %5 = stablehlo.broadcast_in_dim %4, dims = [0] : (tensor<4xf32>) -> tensor<4x16x16xf32>
  %6 = stablehlo.subtract %3, %5 : tensor<4x16x16xf32>
  %7 = stablehlo.exponential %6 : tensor<4x16x16xf32>
  %c2 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %8 = stablehlo.reduce(%7 init: %c2) applies stablehlo.add across dimensions = [1, 2] : (tensor<4x16x16xf32>, tensor<f32>) -> tensor<4xf32>
  %9 = stablehlo.broadcast_in_dim %8, dims = [0] : (tensor<4xf32>) -> tensor<4x16x16xf32>
  %10 = stablehlo.divide %7, %9 : tensor<4x16x16xf32>
  %11 = stablehlo.broadcast_in_dim %v, dims = [0, 2, 3] : (tensor<2x16x8xf32>) -> tensor<2x2x16x8xf32>
  %12 = stablehlo.reshape %11 : (tensor<2x2x16x8xf32>) -> tensor<4x16x8xf32>
  %13 = stablehlo.dot_general %10, %12, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<4x16x16xf32>, tensor<4x16x8xf32>) -> tensor<4x16x8xf32>
  return %13 : tensor<4x16x8xf32>
}
