// neuronc opt --passes fuse,outline,tile-kernels,fuse-scalars
// A product with a number and a difference from a column are one tensor_scalar.
func.func @main(%x: tensor<16x32xf32>, %c: tensor<16xf32>) -> tensor<16x32xf32> {
  %half = stablehlo.constant dense<5.000000e-01> : tensor<16x32xf32>
  %column = stablehlo.broadcast_in_dim %c, dims = [0] : (tensor<16xf32>) -> tensor<16x32xf32>
  %0 = stablehlo.multiply %x, %half : tensor<16x32xf32>
  %1 = stablehlo.subtract %column, %0 : tensor<16x32xf32>
  return %1 : tensor<16x32xf32>
}
