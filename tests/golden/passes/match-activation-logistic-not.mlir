// neuronc opt --passes simplify,match-activation
// 1 / (1 + exp(x)), which is the logistic function of -x and not of x.
func.func @main(%x: tensor<16x64xf32>) -> tensor<16x64xf32> {
  %c0 = stablehlo.constant dense<1.000000e+00> : tensor<16x64xf32>
  %0 = stablehlo.exponential %x : tensor<16x64xf32>
  %1 = stablehlo.add %c0, %0 : tensor<16x64xf32>
  %2 = stablehlo.divide %c0, %1 : tensor<16x64xf32>
  return %2 : tensor<16x64xf32>
}
