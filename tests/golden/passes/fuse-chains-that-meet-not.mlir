// neuronc opt --passes fuse
// The second chain is one row, which the first would compute for each of its own: two kernels.
func.func @main(%x: tensor<16x32xf32>, %y: tensor<32xf32>) -> tensor<16x32xf32> {
  %0 = stablehlo.exponential %x : tensor<16x32xf32>
  %1 = stablehlo.tanh %y : tensor<32xf32>
  %2 = stablehlo.broadcast_in_dim %1, dims = [1] : (tensor<32xf32>) -> tensor<16x32xf32>
  %3 = stablehlo.add %0, %2 : tensor<16x32xf32>
  return %3 : tensor<16x32xf32>
}
