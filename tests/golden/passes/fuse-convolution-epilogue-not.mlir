// neuronc opt --passes decompose,fuse
// Of a convolution in two groups the contraction has another shape than the result, which the bias walks: two kernels.
func.func @main(%x: tensor<2x4x8x8xf32>, %w: tensor<4x2x3x3xf32>, %b: tensor<4xf32>) -> tensor<2x4x6x6xf32> {
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, f, 0, 1]x[o, i, 0, 1]->[b, f, 0, 1], window = {} {batch_group_count = 1 : i64, feature_group_count = 2 : i64} : (tensor<2x4x8x8xf32>, tensor<4x2x3x3xf32>) -> tensor<2x4x6x6xf32>
  %1 = stablehlo.broadcast_in_dim %b, dims = [1] : (tensor<4xf32>) -> tensor<2x4x6x6xf32>
  %2 = stablehlo.add %0, %1 : tensor<2x4x6x6xf32>
  return %2 : tensor<2x4x6x6xf32>
}
