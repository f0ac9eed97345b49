// neuronc opt --passes fuse,outline,tile-kernels
// Indices are clamped and scaled on chip, one a partition; the DMA fetches one row an index.
func.func @main(%table: tensor<1000x64xf32>, %i: tensor<20x1xi32>) -> tensor<20x64xf32> {
  %0 = "stablehlo.gather"(%table, %i) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1, 64>}> : (tensor<1000x64xf32>, tensor<20x1xi32>) -> tensor<20x64xf32>
  return %0 : tensor<20x64xf32>
}
