// neuronc opt --passes fuse
// The product reads the tanh transposed too, which another lane has made: two kernels.
func.func @main(%x: tensor<16x16xf32>) -> tensor<16x16xf32> {
  %0 = stablehlo.tanh %x : tensor<16x16xf32>
  %1 = stablehlo.transpose %0, dims = [1, 0] : (tensor<16x16xf32>) -> tensor<16x16xf32>
  %2 = stablehlo.multiply %0, %1 : tensor<16x16xf32>
  return %2 : tensor<16x16xf32>
}
