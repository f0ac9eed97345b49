// neuronc opt --passes simplify,match-activation,fuse
// SiLU follows the product that it reads: one kernel.
func.func @main(%x: tensor<16x32xf32>, %w: tensor<32x64xf32>) -> tensor<16x64xf32> {
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<16x32xf32>, tensor<32x64xf32>) -> tensor<16x64xf32>
  %c0 = stablehlo.constant dense<1.000000e+00> : tensor<16x64xf32>
  %1 = stablehlo.negate %0 : tensor<16x64xf32>
  %2 = stablehlo.exponential %1 : tensor<16x64xf32>
  %3 = stablehlo.add %c0, %2 : tensor<16x64xf32>
  %4 = stablehlo.divide %0, %3 : tensor<16x64xf32>
  return %4 : tensor<16x64xf32>
}
