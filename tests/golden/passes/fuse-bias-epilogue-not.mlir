// neuronc opt --passes fuse
// The bias joins, the sum with the transposed product does not, of which no tile holds both: two kernels.
func.func @main(%x: tensor<16x32xf32>, %w: tensor<32x16xf32>, %b: tensor<16xf32>) -> tensor<16x16xf32> {
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<16x32xf32>, tensor<32x16xf32>) -> tensor<16x16xf32>
  %1 = stablehlo.broadcast_in_dim %b, dims = [1] : (tensor<16xf32>) -> tensor<16x16xf32>
  %2 = stablehlo.add %0, %1 : tensor<16x16xf32>
  %3 = stablehlo.transpose %0, dims = [1, 0] : (tensor<16x16xf32>) -> tensor<16x16xf32>
  %4 = stablehlo.add %2, %3 : tensor<16x16xf32>
  return %4 : tensor<16x16xf32>
}
