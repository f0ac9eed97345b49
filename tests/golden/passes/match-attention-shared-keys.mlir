// neuronc opt --passes match-attention
// Grouped queries: two heads of queries read one of keys and values, through a broadcast that is never written.
func.func @main(%q: tensor<4x16x8xf32>, %k: tensor<2x16x8xf32>, %v: tensor<2x16x8xf32>) -> tensor<4x16x8xf32> {
  %0 = stablehlo.broadcast_in_dim %k, dims = [0, 2, 3] : (tensor<2x16x8xf32>) -> tensor<2x2x16x8xf32>
  %1 = stablehlo.reshape %0 : (tensor<2x2x16x8xf32>) -> tensor<4x16x8xf32>
  %2 = stablehlo.broadcast_in_dim %v, dims = [0, 2, 3] : (tensor<2x16x8xf32>) -> tensor<2x2x16x8xf32>
  %3 = stablehlo.reshape %2 : (tensor<2x2x16x8xf32>) -> tensor<4x16x8xf32>
  %4 = stablehlo.dot_general %q, %1, batching_dims = [0] x [0], contracting_dims = [2] x [2] : (tensor<4x16x8xf32>, tensor<4x16x8xf32>) -> tensor<4x16x16xf32>
  %c0 = stablehlo.constant dense<3.535534e-01> : tensor<4x16x16xf32>
  %5 = stablehlo.multiply %4, %c0 : tensor<4x16x16xf32>
  %c1 = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %6 = stablehlo.reduce(%5 init: %c1) applies stablehlo.maximum across dimensions = [2] : (tensor<4x16x16xf32>, tensor<f32>) -> tensor<4x16xf32>
  %7 = stablehlo.broadcast_in_dim %6, dims = [0, 1] : (tensor<4x16xf32>) -> tensor<4x16x16xf32>
  %8 = stablehlo.subtract %5, %7 : tensor<4x16x16xf32>
  %9 = stablehlo.exponential %8 : tensor<4x16x16xf32>
  %c2 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %10 = stablehlo.reduce(%9 init: %c2) applies stablehlo.add across dimensions = [2] : (tensor<4x16x16xf32>, tensor<f32>) -> tensor<4x16xf32>
  %11 = stablehlo.broadcast_in_dim %10, dims = [0, 1] : (tensor<4x16xf32>) -> tensor<4x16x16xf32>
  %12 = stablehlo.divide %9, %11 : tensor<4x16x16xf32>
  %13 = stablehlo.dot_general %12, %3, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<4x16x16xf32>, tensor<4x16x8xf32>) -> tensor<4x16x8xf32>
  return %13 : tensor<4x16x8xf32>
}
