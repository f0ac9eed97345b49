// neuronc opt --passes match-attention
// Padding: a mask of the keys, by head, hides scores; it is read once for all queries.
func.func @main(%q: tensor<2x16x8xf32>, %k: tensor<2x16x8xf32>, %v: tensor<2x16x8xf32>, %m: tensor<2x16xi1>) -> tensor<2x16x8xf32> {
  %0 = stablehlo.dot_general %q, %k, batching_dims = [0] x [0], contracting_dims = [2] x [2] : (tensor<2x16x8xf32>, tensor<2x16x8xf32>) -> tensor<2x16x16xf32>
  %c0 = stablehlo.constant dense<3.535534e-01> : tensor<2x16x16xf32>
  %1 = stablehlo.multiply %0, %c0 : tensor<2x16x16xf32>
  %2 = stablehlo.broadcast_in_dim %m, dims = [0, 2] : (tensor<2x16xi1>) -> tensor<2x16x16xi1>
  %c1 = stablehlo.constant dense<0xFF7FFFFF> : tensor<2x16x16xf32>
  %3 = stablehlo.select %2, %1, %c1 : tensor<2x16x16xi1>, tensor<2x16x16xf32>
  %c2 = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %4 = stablehlo.reduce(%3 init: %c2) applies stablehlo.maximum across dimensions = [2] : (tensor<2x16x16xf32>, tensor<f32>) -> tensor<2x16xf32>
  %5 = stablehlo.broadcast_in_dim %4, dims = [0, 1] : (tensor<2x16xf32>) -> tensor<2x16x16xf32>
  %6 = stablehlo.subtract %3, %5 : tensor<2x16x16xf32>
  %7 = stablehlo.exponential %6 : tensor<2x16x16xf32>
  %c3 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %8 = stablehlo.reduce(%7 init: %c3) applies stablehlo.add across dimensions = [2] : (tensor<2x16x16xf32>, tensor<f32>) -> tensor<2x16xf32>
  %9 = stablehlo.broadcast_in_dim %8, dims = [0, 1] : (tensor<2x16xf32>) -> tensor<2x16x16xf32>
  %10 = stablehlo.divide %7, %9 : tensor<2x16x16xf32>
  %11 = stablehlo.dot_general %10, %v, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<2x16x16xf32>, tensor<2x16x8xf32>) -> tensor<2x16x8xf32>
  return %11 : tensor<2x16x8xf32>
}
