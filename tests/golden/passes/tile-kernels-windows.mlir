// neuronc opt --passes decompose,materialize,fuse,outline,tile-kernels
// The windows of a convolution are loaded once, in long runs; each tap is a look at them.
func.func @main(%x: tensor<2x64x30x30xf32>, %w: tensor<32x64x3x3xf32>) -> tensor<2x32x28x28xf32> {
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, f, 0, 1]x[o, i, 0, 1]->[b, f, 0, 1], window = {} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<2x64x30x30xf32>, tensor<32x64x3x3xf32>) -> tensor<2x32x28x28xf32>
  return %0 : tensor<2x32x28x28xf32>
}
