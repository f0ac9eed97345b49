// neuronc opt --passes simplify,match-activation
// 1 / (1 + exp(-x)).
func.func @main(%x: tensor<16x64xf32>) -> tensor<16x64xf32> {
  %c0 = stablehlo.constant dense<1.000000e+00> : tensor<16x64xf32>
  %0 = stablehlo.negate %x : tensor<16x64xf32>
  %1 = stablehlo.exponential %0 : tensor<16x64xf32>
  %2 = stablehlo.add %c0, %1 : tensor<16x64xf32>
  %3 = stablehlo.divide %c0, %2 : tensor<16x64xf32>
  return %3 : tensor<16x64xf32>
}
