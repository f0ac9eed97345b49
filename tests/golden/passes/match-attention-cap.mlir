// neuronc opt --passes match-attention
// A soft cap, c tanh(s / c), as Gemma 2 has it, is applied to each block of scores.
func.func @main(%q: tensor<2x16x8xf32>, %k: tensor<2x16x8xf32>, %v: tensor<2x16x8xf32>) -> tensor<2x16x8xf32> {
  %0 = stablehlo.dot_general %q, %k, batching_dims = [0] x [0], contracting_dims = [2] x [2] : (tensor<2x16x8xf32>, tensor<2x16x8xf32>) -> tensor<2x16x16xf32>
  %c0 = stablehlo.constant dense<3.535534e-01> : tensor<2x16x16xf32>
  %1 = stablehlo.multiply %0, %c0 : tensor<2x16x16xf32>
  %c1 = stablehlo.constant dense<5.000000e+01> : tensor<2x16x16xf32>
  %2 = stablehlo.divide %1, %c1 : tensor<2x16x16xf32>
  %3 = stablehlo.tanh %2 : tensor<2x16x16xf32>
  %4 = stablehlo.multiply %3, %c1 : tensor<2x16x16xf32>
  %c2 = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %5 = stablehlo.reduce(%4 init: %c2) applies stablehlo.maximum across dimensions = [2] : (tensor<2x16x16xf32>, tensor<f32>) -> tensor<2x16xf32>
  %6 = stablehlo.broadcast_in_dim %5, dims = [0, 1] : (tensor<2x16xf32>) -> tensor<2x16x16xf32>
  %7 = stablehlo.subtract %4, %6 : tensor<2x16x16xf32>
  %8 = stablehlo.exponential %7 : tensor<2x16x16xf32>
  %c3 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %9 = stablehlo.reduce(%8 init: %c3) applies stablehlo.add across dimensions = [2] : (tensor<2x16x16xf32>, tensor<f32>) -> tensor<2x16xf32>
  %10 = stablehlo.broadcast_in_dim %9, dims = [0, 1] : (tensor<2x16xf32>) -> tensor<2x16x16xf32>
  %11 = stablehlo.divide %8, %10 : tensor<2x16x16xf32>
  %12 = stablehlo.dot_general %11, %v, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<2x16x16xf32>, tensor<2x16x8xf32>) -> tensor<2x16x8xf32>
  return %12 : tensor<2x16x8xf32>
}
