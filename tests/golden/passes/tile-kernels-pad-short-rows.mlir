// neuronc opt --passes decompose,materialize,fuse,outline,tile-kernels
// Short rows are put into place on chip, many to a partition or some of a long one; where partitions would be empty, by DMA.
func.func @main(%x: tensor<2x256x7x7xf32>, %y: tensor<128x100x60xf32>, %z: tensor<4x7x7xf32>, %v: tensor<f32>) -> (tensor<2x256x9x9xf32>, tensor<128x102x62xf32>, tensor<4x9x9xf32>) {
  %0 = stablehlo.pad %x, %v, low = [0, 0, 1, 1], high = [0, 0, 1, 1], interior = [0, 0, 0, 0] : (tensor<2x256x7x7xf32>, tensor<f32>) -> tensor<2x256x9x9xf32>
  %1 = stablehlo.pad %y, %v, low = [0, 1, 1], high = [0, 1, 1], interior = [0, 0, 0] : (tensor<128x100x60xf32>, tensor<f32>) -> tensor<128x102x62xf32>
  %2 = stablehlo.pad %z, %v, low = [0, 1, 1], high = [0, 1, 1], interior = [0, 0, 0] : (tensor<4x7x7xf32>, tensor<f32>) -> tensor<4x9x9xf32>
  return %0, %1, %2 : tensor<2x256x9x9xf32>, tensor<128x102x62xf32>, tensor<4x9x9xf32>
}
