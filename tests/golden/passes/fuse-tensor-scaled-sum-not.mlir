// neuronc opt --passes fuse,outline,tile-kernels,fuse-tensor
// The square reads its operand twice, and exponential is no vector function: nothing folds.
func.func @main(%x: tensor<16x32xf32>, %y: tensor<16x32xf32>) -> (tensor<16x32xf32>, tensor<16x32xf32>) {
  %half = stablehlo.constant dense<5.000000e-01> : tensor<16x32xf32>
  %0 = stablehlo.multiply %x, %half : tensor<16x32xf32>
  %1 = stablehlo.multiply %0, %0 : tensor<16x32xf32>
  %2 = stablehlo.exponential %x : tensor<16x32xf32>
  %3 = stablehlo.add %2, %y : tensor<16x32xf32>
  return %1, %3 : tensor<16x32xf32>, tensor<16x32xf32>
}
