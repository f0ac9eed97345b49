// neuronc opt --passes match-attention
// Neither part of the mask compares positions: it stays one, and is loaded.
func.func @main(%q: tensor<2x16x8xf32>, %k: tensor<2x16x8xf32>, %v: tensor<2x16x8xf32>, %pad: tensor<16xi1>, %m: tensor<16x16xi1>) -> tensor<2x16x8xf32> {
  %0 = stablehlo.dot_general %q, %k, batching_dims = [0] x [0], contracting_dims = [2] x [2] : (tensor<2x16x8xf32>, tensor<2x16x8xf32>) -> tensor<2x16x16xf32>
  %c0 = stablehlo.constant dense<3.535534e-01> : tensor<2x16x16xf32>
  %1 = stablehlo.multiply %0, %c0 : tensor<2x16x16xf32>
  %2 = stablehlo.iota dim = 0 : tensor<16x16xi32>
  %3 = stablehlo.iota dim = 1 : tensor<16x16xi32>
  %4 = stablehlo.compare GE, %2, %3, SIGNED : (tensor<16x16xi32>, tensor<16x16xi32>) -> tensor<16x16xi1>
  %5 = stablehlo.subtract %2, %3 : tensor<16x16xi32>
  %c1 = stablehlo.constant dense<4> : tensor<16x16xi32>
  %6 = stablehlo.compare LT, %5, %c1, SIGNED : (tensor<16x16xi32>, tensor<16x16xi32>) -> tensor<16x16xi1>
  %7 = stablehlo.broadcast_in_dim %pad, dims = [1] : (tensor<16xi1>) -> tensor<16x16xi1>
  %8 = stablehlo.and %7, %m : tensor<16x16xi1>
  %9 = stablehlo.broadcast_in_dim %8, dims = [1, 2] : (tensor<16x16xi1>) -> tensor<2x16x16xi1>
  %c2 = stablehlo.constant dense<0xFF7FFFFF> : tensor<2x16x16xf32>
  %10 = stablehlo.select %9, %1, %c2 : tensor<2x16x16xi1>, tensor<2x16x16xf32>
  %c3 = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %11 = stablehlo.reduce(%10 init: %c3) applies stablehlo.maximum across dimensions = [2] : (tensor<2x16x16xf32>, tensor<f32>) -> tensor<2x16xf32>
  %12 = stablehlo.broadcast_in_dim %11, dims = [0, 1] : (tensor<2x16xf32>) -> tensor<2x16x16xf32>
  %13 = stablehlo.subtract %10, %12 : tensor<2x16x16xf32>
  %14 = stablehlo.exponential %13 : tensor<2x16x16xf32>
  %c4 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %15 = stablehlo.reduce(%14 init: %c4) applies stablehlo.add across dimensions = [2] : (tensor<2x16x16xf32>, tensor<f32>) -> tensor<2x16xf32>
  %16 = stablehlo.broadcast_in_dim %15, dims = [0, 1] : (tensor<2x16xf32>) -> tensor<2x16x16xf32>
  %17 = stablehlo.divide %14, %16 : tensor<2x16x16xf32>
  %18 = stablehlo.dot_general %17, %v, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<2x16x16xf32>, tensor<2x16x8xf32>) -> tensor<2x16x8xf32>
  return %18 : tensor<2x16x8xf32>
}
