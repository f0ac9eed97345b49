// neuronc opt --passes fuse,outline,spill --target small
// The contraction and what follows it do not fit together in 1.5 KiB of a partition; each does alone.
func.func @main(%x: tensor<128x256xf32>, %w: tensor<256x512xf32>) -> tensor<128x512xf32> {
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<128x256xf32>, tensor<256x512xf32>) -> tensor<128x512xf32>
  %1 = stablehlo.tanh %0 : tensor<128x512xf32>
  %2 = stablehlo.cosine %1 : tensor<128x512xf32>
  %3 = stablehlo.multiply %1, %2 : tensor<128x512xf32>
  %4 = stablehlo.add %3, %1 : tensor<128x512xf32>
  %5 = stablehlo.multiply %4, %2 : tensor<128x512xf32>
  return %5 : tensor<128x512xf32>
}
