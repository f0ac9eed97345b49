// neuronc opt --passes fuse,outline,tile-kernels,fuse-activation
// Another op reads the first product, cosine has no table, and the last product is bfloat16: nothing folds.
func.func @main(%x: tensor<16x32xf32>, %y: tensor<16x32xbf16>) -> (tensor<16x32xf32>, tensor<16x32xf32>, tensor<16x32xbf16>) {
  %half = stablehlo.constant dense<5.000000e-01> : tensor<16x32xf32>
  %narrow = stablehlo.constant dense<5.000000e-01> : tensor<16x32xbf16>
  %0 = stablehlo.multiply %x, %half : tensor<16x32xf32>
  %1 = stablehlo.tanh %0 : tensor<16x32xf32>
  %2 = stablehlo.add %0, %1 : tensor<16x32xf32>
  %3 = stablehlo.multiply %2, %half : tensor<16x32xf32>
  %4 = stablehlo.cosine %3 : tensor<16x32xf32>
  %5 = stablehlo.multiply %y, %narrow : tensor<16x32xbf16>
  %6 = stablehlo.tanh %5 : tensor<16x32xbf16>
  return %2, %4, %6 : tensor<16x32xf32>, tensor<16x32xf32>, tensor<16x32xbf16>
}
