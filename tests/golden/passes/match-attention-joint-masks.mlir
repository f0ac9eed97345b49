// neuronc opt --passes match-attention
// A window as the conjunction of two comparisons: it is taken apart, so that neither is data.
func.func @main(%q: tensor<2x16x8xf32>, %k: tensor<2x16x8xf32>, %v: tensor<2x16x8xf32>) -> tensor<2x16x8xf32> {
  %0 = stablehlo.dot_general %q, %k, batching_dims = [0] x [0], contracting_dims = [2] x [2] : (tensor<2x16x8xf32>, tensor<2x16x8xf32>) -> tensor<2x16x16xf32>
  %c0 = stablehlo.constant dense<3.535534e-01> : tensor<2x16x16xf32>
  %1 = stablehlo.multiply %0, %c0 : tensor<2x16x16xf32>
  %2 = stablehlo.iota dim = 0 : tensor<16x16xi32>
  %3 = stablehlo.iota dim = 1 : tensor<16x16xi32>
  %4 = stablehlo.compare GE, %2, %3, SIGNED : (tensor<16x16xi32>, tensor<16x16xi32>) -> tensor<16x16xi1>
  %5 = stablehlo.subtract %2, %3 : tensor<16x16xi32>
  %c1 = stablehlo.constant dense<4> : tensor<16x16xi32>
  %6 = stablehlo.compare LT, %5, %c1, SIGNED : (tensor<16x16xi32>, tensor<16x16xi32>) -> tensor<16x16xi1>
  %7 = stablehlo.and %4, %6 : tensor<16x16xi1>
  %8 = stablehlo.broadcast_in_dim %7, dims = [1, 2] : (tensor<16x16xi1>) -> tensor<2x16x16xi1>
  %c2 = stablehlo.constant dense<0xFF7FFFFF> : tensor<2x16x16xf32>
  %9 = stablehlo.select %8, %1, %c2 : tensor<2x16x16xi1>, tensor<2x16x16xf32>
  %c3 = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %10 = stablehlo.reduce(%9 init: %c3) applies stablehlo.maximum across dimensions = [2] : (tensor<2x16x16xf32>, tensor<f32>) -> tensor<2x16xf32>
  %11 = stablehlo.broadcast_in_dim %10, dims = [0, 1] : (tensor<2x16xf32>) -> tensor<2x16x16xf32>
  %12 = stablehlo.subtract %9, %11 : tensor<2x16x16xf32>
  %13 = stablehlo.exponential %12 : tensor<2x16x16xf32>
  %c4 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %14 = stablehlo.reduce(%13 init: %c4) applies stablehlo.add across dimensions = [2] : (tensor<2x16x16xf32>, tensor<f32>) -> tensor<2x16xf32>
  %15 = stablehlo.broadcast_in_dim %14, dims = [0, 1] : (tensor<2x16xf32>) -> tensor<2x16x16xf32>
  %16 = stablehlo.divide %13, %15 : tensor<2x16x16xf32>
  %17 = stablehlo.dot_general %16, %v, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<2x16x16xf32>, tensor<2x16x8xf32>) -> tensor<2x16x8xf32>
  return %17 : tensor<2x16x8xf32>
}
