// neuronc opt --passes match-attention
// The window hides exponentials, after the maximum over all keys: no chain of scores, so the softmax is another.
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
  %c2 = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %7 = stablehlo.reduce(%6 init: %c2) applies stablehlo.maximum across dimensions = [2] : (tensor<2x16x16xf32>, tensor<f32>) -> tensor<2x16xf32>
  %8 = stablehlo.broadcast_in_dim %7, dims = [0, 1] : (tensor<2x16xf32>) -> tensor<2x16x16xf32>
  %9 = stablehlo.subtract %6, %8 : tensor<2x16x16xf32>
  %10 = stablehlo.exponential %9 : tensor<2x16x16xf32>
  %11 = stablehlo.iota dim = 0 : tensor<16x16xi32>
  %12 = stablehlo.iota dim = 1 : tensor<16x16xi32>
  %13 = stablehlo.subtract %11, %12 : tensor<16x16xi32>
  %c3 = stablehlo.constant dense<4> : tensor<16x16xi32>
  %14 = stablehlo.compare LT, %13, %c3, SIGNED : (tensor<16x16xi32>, tensor<16x16xi32>) -> tensor<16x16xi1>
  %15 = stablehlo.broadcast_in_dim %14, dims = [1, 2] : (tensor<16x16xi1>) -> tensor<2x16x16xi1>
  %c4 = stablehlo.constant dense<0.000000e+00> : tensor<2x16x16xf32>
  %16 = stablehlo.select %15, %10, %c4 : tensor<2x16x16xi1>, tensor<2x16x16xf32>
  %c5 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %17 = stablehlo.reduce(%16 init: %c5) applies stablehlo.add across dimensions = [2] : (tensor<2x16x16xf32>, tensor<f32>) -> tensor<2x16xf32>
  %18 = stablehlo.broadcast_in_dim %17, dims = [0, 1] : (tensor<2x16xf32>) -> tensor<2x16x16xf32>
  %19 = stablehlo.divide %16, %18 : tensor<2x16x16xf32>
  %20 = stablehlo.dot_general %19, %v, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<2x16x16xf32>, tensor<2x16x8xf32>) -> tensor<2x16x8xf32>
  return %20 : tensor<2x16x8xf32>
}
