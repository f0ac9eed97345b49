// neuronc opt --passes fuse,outline,tile-kernels
// The product is a result too, so it is rounded out of PSUM first.
func.func @main(%x: tensor<64x64xbf16>, %w: tensor<64x64xbf16>, %r: tensor<64x64xbf16>) -> (tensor<64x64xbf16>, tensor<64x64xbf16>) {
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [0] x [0] : (tensor<64x64xbf16>, tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %1 = stablehlo.add %0, %r : tensor<64x64xbf16>
  return %0, %1 : tensor<64x64xbf16>, tensor<64x64xbf16>
}
