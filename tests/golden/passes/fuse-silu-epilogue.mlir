// neuronc opt --passes simplify,fuse
// SiLU, written out, follows the contraction that makes its operand: one kernel.
func.func @main(%arg0: tensor<16x32xf32>, %arg1: tensor<32x64xf32>) -> (tensor<16x64xf32>) {
  %0 = stablehlo.dot_general %arg0, %arg1, contracting_dims = [1] x [0], precision = [DEFAULT, DEFAULT] : (tensor<16x32xf32>, tensor<32x64xf32>) -> tensor<16x64xf32>
  %1 = stablehlo.negate %0 : tensor<16x64xf32>
  %2 = stablehlo.exponential %1 : tensor<16x64xf32>
  %cst = stablehlo.constant dense<1.000000e+00> : tensor<f32>
  %3 = stablehlo.broadcast_in_dim %cst, dims = [] : (tensor<f32>) -> tensor<16x64xf32>
  %4 = stablehlo.add %3, %2 : tensor<16x64xf32>
  %5 = stablehlo.divide %0, %4 : tensor<16x64xf32>
  return %5 : tensor<16x64xf32>
}
