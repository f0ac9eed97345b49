// neuronc opt --passes simplify,match-rotary
// Even elements are rotated with those of the second half: they are no pairs of any view.
func.func @main(%x: tensor<128x4x32xf32>, %c: tensor<128x16xf32>, %s: tensor<128x16xf32>) -> tensor<128x4x32xf32> {
  %0 = stablehlo.slice %x [0:128, 0:4, 0:31:2] : (tensor<128x4x32xf32>) -> tensor<128x4x16xf32>
  %1 = stablehlo.slice %x [0:128, 0:4, 1:32:2] : (tensor<128x4x32xf32>) -> tensor<128x4x16xf32>
  %2 = stablehlo.broadcast_in_dim %c, dims = [0, 2] : (tensor<128x16xf32>) -> tensor<128x4x16xf32>
  %3 = stablehlo.broadcast_in_dim %s, dims = [0, 2] : (tensor<128x16xf32>) -> tensor<128x4x16xf32>
  %4 = stablehlo.slice %x [0:128, 0:4, 16:32] : (tensor<128x4x32xf32>) -> tensor<128x4x16xf32>
  %5 = stablehlo.multiply %0, %2 : tensor<128x4x16xf32>
  %6 = stablehlo.multiply %4, %3 : tensor<128x4x16xf32>
  %7 = stablehlo.subtract %5, %6 : tensor<128x4x16xf32>
  %8 = stablehlo.multiply %4, %2 : tensor<128x4x16xf32>
  %9 = stablehlo.multiply %0, %3 : tensor<128x4x16xf32>
  %10 = stablehlo.add %8, %9 : tensor<128x4x16xf32>
  %11 = stablehlo.reshape %7 : (tensor<128x4x16xf32>) -> tensor<128x4x16x1xf32>
  %12 = stablehlo.reshape %10 : (tensor<128x4x16xf32>) -> tensor<128x4x16x1xf32>
  %13 = stablehlo.concatenate %11, %12, dim = 3 : (tensor<128x4x16x1xf32>, tensor<128x4x16x1xf32>) -> tensor<128x4x16x2xf32>
  %14 = stablehlo.reshape %13 : (tensor<128x4x16x2xf32>) -> tensor<128x4x32xf32>
  return %14 : tensor<128x4x32xf32>
}
