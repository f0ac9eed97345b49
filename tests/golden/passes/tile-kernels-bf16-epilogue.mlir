// neuronc opt --passes fuse,outline,tile-kernels
// The first product is read from PSUM by its bias and rounded with it; the second is a result too, so it is rounded first.
func.func @main(%x: tensor<128x256xbf16>, %w: tensor<256x256xbf16>, %b: tensor<256xbf16>) -> (tensor<128x256xbf16>, tensor<128x256xbf16>, tensor<128x256xbf16>) {
  %r = stablehlo.broadcast_in_dim %b, dims = [1] : (tensor<256xbf16>) -> tensor<128x256xbf16>
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<128x256xbf16>, tensor<256x256xbf16>) -> tensor<128x256xbf16>
  %1 = stablehlo.add %0, %r : tensor<128x256xbf16>
  %2 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [1] : (tensor<128x256xbf16>, tensor<256x256xbf16>) -> tensor<128x256xbf16>
  %3 = stablehlo.add %2, %r : tensor<128x256xbf16>
  return %1, %2, %3 : tensor<128x256xbf16>, tensor<128x256xbf16>, tensor<128x256xbf16>
}
