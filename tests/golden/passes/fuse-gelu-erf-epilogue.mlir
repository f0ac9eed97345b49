// neuronc opt --passes simplify,match-activation,fuse
// GELU in its erf form follows the product that it reads: one kernel.
func.func @main(%x: tensor<16x32xf32>, %w: tensor<32x64xf32>) -> tensor<16x64xf32> {
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<16x32xf32>, tensor<32x64xf32>) -> tensor<16x64xf32>
  %c0 = stablehlo.constant dense<1.000000e+00> : tensor<16x64xf32>
  %c1 = stablehlo.constant dense<5.000000e-01> : tensor<16x64xf32>
  %c2 = stablehlo.constant dense<0.707106769> : tensor<16x64xf32>
  %1 = stablehlo.multiply %0, %c2 : tensor<16x64xf32>
  %2 = chlo.erf %1 : tensor<16x64xf32> -> tensor<16x64xf32>
  %3 = stablehlo.multiply %0, %c1 : tensor<16x64xf32>
  %4 = stablehlo.add %c0, %2 : tensor<16x64xf32>
  %5 = stablehlo.multiply %3, %4 : tensor<16x64xf32>
  return %5 : tensor<16x64xf32>
}
