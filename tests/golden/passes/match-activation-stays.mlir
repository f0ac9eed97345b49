// neuronc opt --passes simplify,match-activation
// A tanh that is kept for a gradient; a factor that no rounding explains; an exponential of one value over a sum with another; a softplus that overflows.
func.func @main(%x: tensor<16x64xf32>, %y: tensor<16x64xf32>) -> (tensor<16x64xf32>, tensor<16x64xf32>, tensor<16x64xf32>, tensor<16x64xf32>, tensor<16x64xf32>) {
  %half = stablehlo.constant dense<0.5> : tensor<16x64xf32>
  %one = stablehlo.constant dense<1.0> : tensor<16x64xf32>
  %d = stablehlo.constant dense<0.707106769> : tensor<16x64xf32>
  %0 = stablehlo.multiply %x, %d : tensor<16x64xf32>
  %1 = chlo.erf %0 : tensor<16x64xf32> -> tensor<16x64xf32>
  %2 = stablehlo.add %one, %1 : tensor<16x64xf32>
  %3 = stablehlo.multiply %half, %2 : tensor<16x64xf32>
  %4 = stablehlo.multiply %x, %3 : tensor<16x64xf32>
  %c = stablehlo.constant dense<1.7> : tensor<16x64xf32>
  %10 = stablehlo.multiply %x, %c : tensor<16x64xf32>
  %11 = stablehlo.logistic %10 : tensor<16x64xf32>
  %12 = stablehlo.multiply %x, %11 : tensor<16x64xf32>
  %20 = stablehlo.negate %x : tensor<16x64xf32>
  %21 = stablehlo.exponential %20 : tensor<16x64xf32>
  %22 = stablehlo.add %y, %21 : tensor<16x64xf32>
  %23 = stablehlo.divide %x, %22 : tensor<16x64xf32>
  %30 = stablehlo.exponential %x : tensor<16x64xf32>
  %31 = stablehlo.log_plus_one %30 : tensor<16x64xf32>
  return %1, %4, %12, %23, %31 : tensor<16x64xf32>, tensor<16x64xf32>, tensor<16x64xf32>, tensor<16x64xf32>, tensor<16x64xf32>
}
