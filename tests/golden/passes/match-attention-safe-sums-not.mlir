// neuronc opt --passes match-attention
// A sum of 0 is taken for 2, which no softmax does.
func.func @main(%q: tensor<2x16x8xf32>, %k: tensor<2x16x8xf32>, %v: tensor<2x16x8xf32>, %m: tensor<16x16xf32>) -> tensor<2x16x8xf32> {
  %0 = stablehlo.dot_general %q, %k, batching_dims = [0] x [0], contracting_dims = [2] x [2] : (tensor<2x16x8xf32>, tensor<2x16x8xf32>) -> tensor<2x16x16xf32>
  %c0 = stablehlo.constant dense<3.535534e-01> : tensor<2x16x16xf32>
  %1 = stablehlo.multiply %0, %c0 : tensor<2x16x16xf32>
  %2 = stablehlo.broadcast_in_dim %m, dims = [1, 2] : (tensor<16x16xf32>) -> tensor<2x16x16xf32>
  %3 = stablehlo.add %1, %2 : tensor<2x16x16xf32>
  %c1 = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %4 = stablehlo.reduce(%3 init: %c1) applies stablehlo.maximum across dimensions = [2] : (tensor<2x16x16xf32>, tensor<f32>) -> tensor<2x16xf32>
  %c2 = stablehlo.constant dense<0xFF800000> : tensor<2x16xf32>
  %5 = stablehlo.compare EQ, %4, %c2, FLOAT : (tensor<2x16xf32>, tensor<2x16xf32>) -> tensor<2x16xi1>
  %c3 = stablehlo.constant dense<0.000000e+00> : tensor<2x16xf32>
  %6 = stablehlo.select %5, %c3, %4 : tensor<2x16xi1>, tensor<2x16xf32>
  %7 = stablehlo.broadcast_in_dim %6, dims = [0, 1] : (tensor<2x16xf32>) -> tensor<2x16x16xf32>
  %8 = stablehlo.subtract %3, %7 : tensor<2x16x16xf32>
  %9 = stablehlo.exponential %8 : tensor<2x16x16xf32>
  %c4 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %10 = stablehlo.reduce(%9 init: %c4) applies stablehlo.add across dimensions = [2] : (tensor<2x16x16xf32>, tensor<f32>) -> tensor<2x16xf32>
  %11 = stablehlo.compare EQ, %10, %c3, FLOAT : (tensor<2x16xf32>, tensor<2x16xf32>) -> tensor<2x16xi1>
  %c5 = stablehlo.constant dense<2.000000e+00> : tensor<2x16xf32>
  %12 = stablehlo.select %11, %c5, %10 : tensor<2x16xi1>, tensor<2x16xf32>
  %13 = stablehlo.broadcast_in_dim %12, dims = [0, 1] : (tensor<2x16xf32>) -> tensor<2x16x16xf32>
  %14 = stablehlo.divide %9, %13 : tensor<2x16x16xf32>
  %15 = stablehlo.dot_general %14, %v, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<2x16x16xf32>, tensor<2x16x8xf32>) -> tensor<2x16x8xf32>
  return %15 : tensor<2x16x8xf32>
}
