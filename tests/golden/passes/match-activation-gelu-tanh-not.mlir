// neuronc opt --passes simplify,match-activation
// The cubic term's factor is 0.045, which no rounding of 0.044715 explains.
func.func @main(%x: tensor<16x64xf32>) -> tensor<16x64xf32> {
  %0 = stablehlo.multiply %x, %x : tensor<16x64xf32>
  %1 = stablehlo.multiply %0, %x : tensor<16x64xf32>
  %c0 = stablehlo.constant dense<0.797884583> : tensor<16x64xf32>
  %c1 = stablehlo.constant dense<4.500000e-02> : tensor<16x64xf32>
  %2 = stablehlo.multiply %c1, %1 : tensor<16x64xf32>
  %3 = stablehlo.add %x, %2 : tensor<16x64xf32>
  %4 = stablehlo.multiply %c0, %3 : tensor<16x64xf32>
  %5 = stablehlo.tanh %4 : tensor<16x64xf32>
  %c2 = stablehlo.constant dense<5.000000e-01> : tensor<16x64xf32>
  %6 = stablehlo.multiply %x, %c2 : tensor<16x64xf32>
  %c3 = stablehlo.constant dense<1.000000e+00> : tensor<16x64xf32>
  %7 = stablehlo.add %c3, %5 : tensor<16x64xf32>
  %8 = stablehlo.multiply %6, %7 : tensor<16x64xf32>
  return %8 : tensor<16x64xf32>
}
