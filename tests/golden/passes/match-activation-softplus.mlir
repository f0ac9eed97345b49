// neuronc opt --passes simplify,match-activation
// max(x, 0) + log(1 + exp(-|x|)).
func.func @main(%x: tensor<16x64xf32>) -> tensor<16x64xf32> {
  %c0 = stablehlo.constant dense<0.000000e+00> : tensor<16x64xf32>
  %0 = stablehlo.maximum %x, %c0 : tensor<16x64xf32>
  %1 = stablehlo.abs %x : tensor<16x64xf32>
  %2 = stablehlo.negate %1 : tensor<16x64xf32>
  %3 = stablehlo.exponential %2 : tensor<16x64xf32>
  %4 = stablehlo.log_plus_one %3 : tensor<16x64xf32>
  %5 = stablehlo.add %0, %4 : tensor<16x64xf32>
  return %5 : tensor<16x64xf32>
}
