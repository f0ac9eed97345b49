// neuronc opt --passes simplify,match-rotary
// x0 c - x1 s beside x1 c + x0 s: the halves swapped are a view, and the concatenate is gone.
func.func @main(%x: tensor<128x4x32xf32>, %c: tensor<128x16xf32>, %s: tensor<128x16xf32>) -> tensor<128x4x32xf32> {
  %0 = stablehlo.slice %x [0:128, 0:4, 0:16] : (tensor<128x4x32xf32>) -> tensor<128x4x16xf32>
  %1 = stablehlo.slice %x [0:128, 0:4, 16:32] : (tensor<128x4x32xf32>) -> tensor<128x4x16xf32>
  %2 = stablehlo.broadcast_in_dim %c, dims = [0, 2] : (tensor<128x16xf32>) -> tensor<128x4x16xf32>
  %3 = stablehlo.broadcast_in_dim %s, dims = [0, 2] : (tensor<128x16xf32>) -> tensor<128x4x16xf32>
  %4 = stablehlo.multiply %0, %2 : tensor<128x4x16xf32>
  %5 = stablehlo.multiply %1, %3 : tensor<128x4x16xf32>
  %6 = stablehlo.subtract %4, %5 : tensor<128x4x16xf32>
  %7 = stablehlo.multiply %1, %2 : tensor<128x4x16xf32>
  %8 = stablehlo.multiply %0, %3 : tensor<128x4x16xf32>
  %9 = stablehlo.add %7, %8 : tensor<128x4x16xf32>
  %10 = stablehlo.concatenate %6, %9, dim = 2 : (tensor<128x4x16xf32>, tensor<128x4x16xf32>) -> tensor<128x4x32xf32>
  return %10 : tensor<128x4x32xf32>
}
