// neuronc opt --passes fuse,outline,tile-kernels,select,allocate --target small
// In 1.5 KiB of a partition the blocks of the loop over K fit once, not twice.
func.func @main(%x: tensor<256x512xf32>, %w: tensor<512x512xf32>) -> tensor<256x512xf32> {
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<256x512xf32>, tensor<512x512xf32>) -> tensor<256x512xf32>
  return %0 : tensor<256x512xf32>
}
