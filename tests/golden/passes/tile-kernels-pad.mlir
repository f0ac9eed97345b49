// neuronc opt --passes decompose,materialize,fuse,outline,tile-kernels
// What is padded is filled in long runs: only the first one is written element by element.
func.func @main(%x: tensor<4x62x62xf32>, %v: tensor<f32>) -> tensor<4x64x64xf32> {
  %0 = stablehlo.pad %x, %v, low = [0, 1, 1], high = [0, 1, 1], interior = [0, 0, 0] : (tensor<4x62x62xf32>, tensor<f32>) -> tensor<4x64x64xf32>
  return %0 : tensor<4x64x64xf32>
}
