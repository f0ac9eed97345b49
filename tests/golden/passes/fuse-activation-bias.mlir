// neuronc opt --passes fuse,outline,tile-kernels,fuse-activation
// The bias is one number for each partition: the scalar engine adds it, after the product.
func.func @main(%x: tensor<16x32xf32>, %b: tensor<16xf32>) -> tensor<16x32xf32> {
  %half = stablehlo.constant dense<5.000000e-01> : tensor<16x32xf32>
  %0 = stablehlo.multiply %x, %half : tensor<16x32xf32>
  %1 = stablehlo.broadcast_in_dim %b, dims = [0] : (tensor<16xf32>) -> tensor<16x32xf32>
  %2 = stablehlo.add %0, %1 : tensor<16x32xf32>
  %3 = stablehlo.tanh %2 : tensor<16x32xf32>
  return %3 : tensor<16x32xf32>
}
