// neuronc opt --passes fuse,outline,tile-kernels,fuse-activation
// The bias has a number for each column, and the scalar engine adds one for each partition: the sum stays.
func.func @main(%x: tensor<16x32xf32>, %b: tensor<32xf32>) -> tensor<16x32xf32> {
  %0 = stablehlo.broadcast_in_dim %b, dims = [1] : (tensor<32xf32>) -> tensor<16x32xf32>
  %1 = stablehlo.add %x, %0 : tensor<16x32xf32>
  %2 = stablehlo.tanh %1 : tensor<16x32xf32>
  return %2 : tensor<16x32xf32>
}
