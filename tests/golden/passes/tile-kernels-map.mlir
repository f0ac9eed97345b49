// neuronc opt --passes fuse,outline,tile-kernels
// Rows are folded in pairs, so that blocks are full: 128 partitions, then 22; the column repeats along its row.
func.func @main(%x: tensor<300x64xf32>, %c: tensor<300xf32>) -> tensor<300x64xf32> {
  %0 = stablehlo.broadcast_in_dim %c, dims = [0] : (tensor<300xf32>) -> tensor<300x64xf32>
  %1 = stablehlo.multiply %x, %0 : tensor<300x64xf32>
  %2 = stablehlo.tanh %1 : tensor<300x64xf32>
  return %2 : tensor<300x64xf32>
}
