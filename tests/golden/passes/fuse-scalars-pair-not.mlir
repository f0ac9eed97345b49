// neuronc opt --passes fuse,outline,tile-kernels,fuse-scalars
// The product is a result as well, and integers are gpsimd's: nothing pairs.
func.func @main(%x: tensor<16x32xf32>, %i: tensor<16x32xi32>) -> (tensor<16x32xf32>, tensor<16x32xf32>, tensor<16x32xi32>) {
  %half = stablehlo.constant dense<5.000000e-01> : tensor<16x32xf32>
  %three = stablehlo.constant dense<3> : tensor<16x32xi32>
  %0 = stablehlo.multiply %x, %half : tensor<16x32xf32>
  %1 = stablehlo.add %0, %half : tensor<16x32xf32>
  %2 = stablehlo.multiply %i, %three : tensor<16x32xi32>
  %3 = stablehlo.add %2, %three : tensor<16x32xi32>
  return %0, %1, %3 : tensor<16x32xf32>, tensor<16x32xf32>, tensor<16x32xi32>
}
