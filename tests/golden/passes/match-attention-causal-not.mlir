// neuronc opt --passes match-attention
// The weights are returned too, as a training step keeps them: they must exist in HBM, so nothing is gained.
func.func @main(%q: tensor<2x16x8xf32>, %k: tensor<2x16x8xf32>, %v: tensor<2x16x8xf32>) -> (tensor<2x16x8xf32>, tensor<2x16x16xf32>) {
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
  %c3 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %11 = stablehlo.reduce(%10 init: %c3) applies stablehlo.add across dimensions = [2] : (tensor<2x16x16xf32>, tensor<f32>) -> tensor<2x16xf32>
  %12 = stablehlo.broadcast_in_dim %11, dims = [0, 1] : (tensor<2x16xf32>) -> tensor<2x16x16xf32>
  %13 = stablehlo.divide %10, %12 : tensor<2x16x16xf32>
  %14 = stablehlo.dot_general %13, %v, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<2x16x16xf32>, tensor<2x16x8xf32>) -> tensor<2x16x8xf32>
  return %14, %13 : tensor<2x16x8xf32>, tensor<2x16x16xf32>
}
