// neuronc opt --passes match-attention
// The sum is 1 larger, a softmax with a score of 0 beside (softmax1): its weights do not add up to 1.
func.func @main(%q: tensor<2x16x8xf32>, %k: tensor<2x16x8xf32>, %v: tensor<2x16x8xf32>) -> tensor<2x16x8xf32> {
  %0 = stablehlo.dot_general %q, %k, batching_dims = [0] x [0], contracting_dims = [2] x [2] : (tensor<2x16x8xf32>, tensor<2x16x8xf32>) -> tensor<2x16x16xf32>
  %c0 = stablehlo.constant dense<3.535534e-01> : tensor<2x16x16xf32>
  %1 = stablehlo.multiply %0, %c0 : tensor<2x16x16xf32>
  %c1 = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %2 = stablehlo.reduce(%1 init: %c1) applies stablehlo.maximum across dimensions = [2] : (tensor<2x16x16xf32>, tensor<f32>) -> tensor<2x16xf32>
  %3 = stablehlo.broadcast_in_dim %2, dims = [0, 1] : (tensor<2x16xf32>) -> tensor<2x16x16xf32>
  %4 = stablehlo.subtract %1, %3 : tensor<2x16x16xf32>
  %5 = stablehlo.exponential %4 : tensor<2x16x16xf32>
  %c2 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %6 = stablehlo.reduce(%5 init: %c2) applies stablehlo.add across dimensions = [2] : (tensor<2x16x16xf32>, tensor<f32>) -> tensor<2x16xf32>
  %c3 = stablehlo.constant dense<1.000000e+00> : tensor<2x16xf32>
  %7 = stablehlo.add %6, %c3 : tensor<2x16xf32>
  %8 = stablehlo.divide %c3, %7 : tensor<2x16xf32>
  %9 = stablehlo.broadcast_in_dim %8, dims = [0, 1] : (tensor<2x16xf32>) -> tensor<2x16x16xf32>
  %10 = stablehlo.multiply %5, %9 : tensor<2x16x16xf32>
  %11 = stablehlo.dot_general %10, %v, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<2x16x16xf32>, tensor<2x16x8xf32>) -> tensor<2x16x8xf32>
  return %11 : tensor<2x16x8xf32>
}
