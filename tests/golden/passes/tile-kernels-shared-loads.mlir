// neuronc opt --passes fuse,outline,tile-kernels
// The scale does not move with the rows, so it is loaded once in front of their loop; x moves.
func.func @main(%x: tensor<512x64xf32>, %g: tensor<64xf32>) -> tensor<512xf32> {
  %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %0 = stablehlo.broadcast_in_dim %g, dims = [1] : (tensor<64xf32>) -> tensor<512x64xf32>
  %1 = stablehlo.multiply %x, %0 : tensor<512x64xf32>
  %2 = stablehlo.reduce(%1 init: %low) applies stablehlo.maximum across dimensions = [1] : (tensor<512x64xf32>, tensor<f32>) -> tensor<512xf32>
  return %2 : tensor<512xf32>
}
