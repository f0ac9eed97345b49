// neuronc opt --passes simplify,match-activation
// The erf is a result too, as a training step keeps it: the engine would compute it anyway.
func.func @main(%x: tensor<16x64xf32>) -> (tensor<16x64xf32>, tensor<16x64xf32>) {
  %c0 = stablehlo.constant dense<1.000000e+00> : tensor<16x64xf32>
  %c1 = stablehlo.constant dense<5.000000e-01> : tensor<16x64xf32>
  %c2 = stablehlo.constant dense<0.707106769> : tensor<16x64xf32>
  %0 = stablehlo.multiply %x, %c2 : tensor<16x64xf32>
  %1 = chlo.erf %0 : tensor<16x64xf32> -> tensor<16x64xf32>
  %2 = stablehlo.multiply %x, %c1 : tensor<16x64xf32>
  %3 = stablehlo.add %c0, %1 : tensor<16x64xf32>
  %4 = stablehlo.multiply %2, %3 : tensor<16x64xf32>
  return %1, %4 : tensor<16x64xf32>, tensor<16x64xf32>
}
