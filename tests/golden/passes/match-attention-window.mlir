// neuronc opt --passes match-attention
// A causal mask and one that hides keys 4 or more before the query: two comparisons of positions.
func.func @main(%q: tensor<2x16x8xf32>, %k: tensor<2x16x8xf32>, %v: tensor<2x16x8xf32>) -> tensor<2x16x8xf32> {
  %0 = stablehlo.dot_general %q, %k, batching_dims = [0] x [0], contracting_dims = [2] x [2] : (tensor<2x16x8xf32>, tensor<2x16x8xf32>) -> tensor<2x16x16xf32>
  %c0 = stablehlo.constant dense<3.535534e-01> : tensor<2x16x16xf32>
  %1 = stablehlo.multiply %0, %c0 : tensor<2x16x16xf32>
  %2 = stablehlo.iota dim = 0 : tensor<16x16xi32>
  %3 = stablehlo.iota dim = 1 : tensor<16x16xi32>
  %4 = stablehlo.compare GE, %2, %3, SIGNED : (tensor<16x16xi32>, tensor<16x16xi32>) -> tensor<16x16xi1>
  %5 = stablehlo.broadcast_in_dim %4, dims = [1, 2] : (tensor<16x16xi1>) -> tensor<2x16x16xi1>
  %c1 = stablehlo.constant dense<0xFF800000> : tensor<2x16x16xf32>
  %6 = stablehlo.select %5, %1, %c1 : tensor<2x16x16xi1>, tensor<2x16x16xf32>
  %7 = stablehlo.iota dim = 0 : tensor<16x16xi32>
  %8 = stablehlo.iota dim = 1 : tensor<16x16xi32>
  %9 = stablehlo.subtract %7, %8 : tensor<16x16xi32>
  %c2 = stablehlo.constant dense<4> : tensor<16x16xi32>
  %10 = stablehlo.compare LT, %9, %c2, SIGNED : (tensor<16x16xi32>, tensor<16x16xi32>) -> tensor<16x16xi1>
  %11 = stablehlo.broadcast_in_dim %10, dims = [1, 2] : (tensor<16x16xi1>) -> tensor<2x16x16xi1>
  %12 = stablehlo.select %11, %6, %c1 : tensor<2x16x16xi1>, tensor<2x16x16xf32>
  %c3 = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %13 = stablehlo.reduce(%12 init: %c3) applies stablehlo.maximum across dimensions = [2] : (tensor<2x16x16xf32>, tensor<f32>) -> tensor<2x16xf32>
  %14 = stablehlo.broadcast_in_dim %13, dims = [0, 1] : (tensor<2x16xf32>) -> tensor<2x16x16xf32>
  %15 = stablehlo.subtract %12, %14 : tensor<2x16x16xf32>
  %16 = stablehlo.exponential %15 : tensor<2x16x16xf32>
  %c4 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %17 = stablehlo.reduce(%16 init: %c4) applies stablehlo.add across dimensions = [2] : (tensor<2x16x16xf32>, tensor<f32>) -> tensor<2x16xf32>
  %18 = stablehlo.broadcast_in_dim %17, dims = [0, 1] : (tensor<2x16xf32>) -> tensor<2x16x16xf32>
  %19 = stablehlo.divide %16, %18 : tensor<2x16x16xf32>
  %20 = stablehlo.dot_general %19, %v, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<2x16x16xf32>, tensor<2x16x8xf32>) -> tensor<2x16x8xf32>
  return %20 : tensor<2x16x8xf32>
}
