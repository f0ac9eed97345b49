// neuronc opt --passes match-attention
// Weights are 0 in rows that a mask hides whole, where a softmax has NaN: PyTorch's safe softmax, decomposed.
func.func @main(%q: tensor<2x16x8xf32>, %k: tensor<2x16x8xf32>, %v: tensor<2x16x8xf32>, %m: tensor<16x16xf32>) -> tensor<2x16x8xf32> {
  %0 = stablehlo.dot_general %q, %k, batching_dims = [0] x [0], contracting_dims = [2] x [2] : (tensor<2x16x8xf32>, tensor<2x16x8xf32>) -> tensor<2x16x16xf32>
  %c0 = stablehlo.constant dense<3.535534e-01> : tensor<2x16x16xf32>
  %1 = stablehlo.multiply %0, %c0 : tensor<2x16x16xf32>
  %2 = stablehlo.broadcast_in_dim %m, dims = [1, 2] : (tensor<16x16xf32>) -> tensor<2x16x16xf32>
  %3 = stablehlo.add %1, %2 : tensor<2x16x16xf32>
  %c1 = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %4 = stablehlo.reduce(%3 init: %c1) applies stablehlo.maximum across dimensions = [2] : (tensor<2x16x16xf32>, tensor<f32>) -> tensor<2x16xf32>
  %5 = stablehlo.broadcast_in_dim %4, dims = [0, 1] : (tensor<2x16xf32>) -> tensor<2x16x16xf32>
  %6 = stablehlo.subtract %3, %5 : tensor<2x16x16xf32>
  %7 = stablehlo.exponential %6 : tensor<2x16x16xf32>
  %c2 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %8 = stablehlo.reduce(%7 init: %c2) applies stablehlo.add across dimensions = [2] : (tensor<2x16x16xf32>, tensor<f32>) -> tensor<2x16xf32>
  %9 = stablehlo.broadcast_in_dim %8, dims = [0, 1] : (tensor<2x16xf32>) -> tensor<2x16x16xf32>
  %10 = stablehlo.divide %7, %9 : tensor<2x16x16xf32>
  %c3 = stablehlo.constant dense<0xFF800000> : tensor<2x16x16xf32>
  %11 = stablehlo.compare NE, %3, %c3, FLOAT : (tensor<2x16x16xf32>, tensor<2x16x16xf32>) -> tensor<2x16x16xi1>
  %c4 = stablehlo.constant dense<false> : tensor<i1>
  %12 = stablehlo.reduce(%11 init: %c4) applies stablehlo.or across dimensions = [2] : (tensor<2x16x16xi1>, tensor<i1>) -> tensor<2x16xi1>
  %13 = stablehlo.broadcast_in_dim %12, dims = [0, 1] : (tensor<2x16xi1>) -> tensor<2x16x16xi1>
  %c5 = stablehlo.constant dense<0.000000e+00> : tensor<2x16x16xf32>
  %14 = stablehlo.select %13, %10, %c5 : tensor<2x16x16xi1>, tensor<2x16x16xf32>
  %15 = stablehlo.dot_general %14, %v, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<2x16x16xf32>, tensor<2x16x8xf32>) -> tensor<2x16x8xf32>
  return %15 : tensor<2x16x8xf32>
}
