// neuronc opt --passes simplify,fuse
// Bias and GELU in its tanh form follow the contraction that makes their operand: one kernel.
func.func @main(%arg0: tensor<16x32xf32>, %arg1: tensor<32x64xf32>, %arg2: tensor<64xf32>) -> (tensor<16x64xf32>) {
  %0 = stablehlo.dot_general %arg0, %arg1, contracting_dims = [1] x [0], precision = [DEFAULT, DEFAULT] : (tensor<16x32xf32>, tensor<32x64xf32>) -> tensor<16x64xf32>
  %1 = stablehlo.broadcast_in_dim %arg2, dims = [1] : (tensor<64xf32>) -> tensor<1x64xf32>
  %2 = stablehlo.broadcast_in_dim %1, dims = [0, 1] : (tensor<1x64xf32>) -> tensor<16x64xf32>
  %3 = stablehlo.add %0, %2 : tensor<16x64xf32>
  %cst = stablehlo.constant dense<5.000000e-01> : tensor<f32>
  %4 = stablehlo.broadcast_in_dim %cst, dims = [] : (tensor<f32>) -> tensor<16x64xf32>
  %5 = stablehlo.multiply %4, %3 : tensor<16x64xf32>
  %cst_0 = stablehlo.constant dense<4.471500e-02> : tensor<f32>
  %6 = stablehlo.broadcast_in_dim %cst_0, dims = [] : (tensor<f32>) -> tensor<16x64xf32>
  %7 = stablehlo.multiply %6, %3 : tensor<16x64xf32>
  %8 = stablehlo.multiply %7, %3 : tensor<16x64xf32>
  %9 = stablehlo.multiply %8, %3 : tensor<16x64xf32>
  %10 = stablehlo.add %3, %9 : tensor<16x64xf32>
  %cst_1 = stablehlo.constant dense<0.797884583> : tensor<f32>
  %11 = stablehlo.broadcast_in_dim %cst_1, dims = [] : (tensor<f32>) -> tensor<16x64xf32>
  %12 = stablehlo.multiply %11, %10 : tensor<16x64xf32>
  %13 = stablehlo.tanh %12 : tensor<16x64xf32>
  %cst_2 = stablehlo.constant dense<1.000000e+00> : tensor<f32>
  %14 = stablehlo.broadcast_in_dim %cst_2, dims = [] : (tensor<f32>) -> tensor<16x64xf32>
  %15 = stablehlo.add %14, %13 : tensor<16x64xf32>
  %16 = stablehlo.multiply %5, %15 : tensor<16x64xf32>
  return %16 : tensor<16x64xf32>
}
