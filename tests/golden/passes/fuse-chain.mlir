// neuronc opt --passes fuse
// Each op reads what the one before made, index by index: one kernel.
func.func @main(%x: tensor<16x32xf32>) -> tensor<16x32xf32> {
  %0 = stablehlo.tanh %x : tensor<16x32xf32>
  %1 = stablehlo.multiply %0, %x : tensor<16x32xf32>
  %c0 = stablehlo.constant dense<1.000000e+00> : tensor<16x32xf32>
  %2 = stablehlo.add %1, %c0 : tensor<16x32xf32>
  return %2 : tensor<16x32xf32>
}
