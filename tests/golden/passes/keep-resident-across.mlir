// neuronc opt --passes fuse,outline,cluster,keep-resident
// What one contraction makes and the next contracts lies with its columns on the partitions.
func.func @main(%x: tensor<128x64xf32>, %v: tensor<64x256xf32>, %w: tensor<256x32xf32>) -> tensor<128x32xf32> {
  %0 = stablehlo.dot_general %x, %v, contracting_dims = [1] x [0] : (tensor<128x64xf32>, tensor<64x256xf32>) -> tensor<128x256xf32>
  %1 = stablehlo.tanh %0 : tensor<128x256xf32>
  %2 = stablehlo.dot_general %1, %w, contracting_dims = [1] x [0] : (tensor<128x256xf32>, tensor<256x32xf32>) -> tensor<128x32xf32>
  return %2 : tensor<128x32xf32>
}
