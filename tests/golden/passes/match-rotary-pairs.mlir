// neuronc opt --passes simplify,match-rotary
// Neighbours are rotated, as GPT-J has it: each pair swapped is a view as well.
func.func @main(%x: tensor<128x4x32xf32>, %c: tensor<128x16xf32>, %s: tensor<128x16xf32>) -> tensor<128x4x32xf32> {
  %0 = stablehlo.slice %x [0:128, 0:4, 0:31:2] : (tensor<128x4x32xf32>) -> tensor<128x4x16xf32>
  %1 = stablehlo.slice %x [0:128, 0:4, 1:32:2] : (tensor<128x4x32xf32>) -> tensor<128x4x16xf32>
  %2 = stablehlo.broadcast_in_dim %c, dims = [0, 2] : (tensor<128x16xf32>) -> tensor<128x4x16xf32>
  %3 = stablehlo.broadcast_in_dim %s, dims = [0, 2] : (tensor<128x16xf32>) -> tensor<128x4x16xf32>
  %4 = stablehlo.multiply %0, %2 : tensor<128x4x16xf32>
  %5 = stablehlo.multiply %1, %3 : tensor<128x4x16xf32>
  %6 = stablehlo.subtract %4, %5 : tensor<128x4x16xf32>
  %7 = stablehlo.multiply %1, %2 : tensor<128x4x16xf32>
  %8 = stablehlo.multiply %0, %3 : tensor<128x4x16xf32>
  %9 = stablehlo.add %7, %8 : tensor<128x4x16xf32>
  %10 = stablehlo.reshape %6 : (tensor<128x4x16xf32>) -> tensor<128x4x16x1xf32>
  %11 = stablehlo.reshape %9 : (tensor<128x4x16xf32>) -> tensor<128x4x16x1xf32>
  %12 = stablehlo.concatenate %10, %11, dim = 3 : (tensor<128x4x16x1xf32>, tensor<128x4x16x1xf32>) -> tensor<128x4x16x2xf32>
  %13 = stablehlo.reshape %12 : (tensor<128x4x16x2xf32>) -> tensor<128x4x32xf32>
  return %13 : tensor<128x4x32xf32>
}
