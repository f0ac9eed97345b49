// neuronc opt --passes simplify,match-activation
// x logistic(1.702 x).
func.func @main(%x: tensor<16x64xf32>) -> tensor<16x64xf32> {
  %c0 = stablehlo.constant dense<1.702000e+00> : tensor<16x64xf32>
  %0 = stablehlo.multiply %x, %c0 : tensor<16x64xf32>
  %1 = stablehlo.logistic %0 : tensor<16x64xf32>
  %2 = stablehlo.multiply %x, %1 : tensor<16x64xf32>
  return %2 : tensor<16x64xf32>
}
