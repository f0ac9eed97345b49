// neuronc opt --passes simplify,match-rotary
// The halves are of two values: no view has both, so the concatenate stays.
func.func @main(%x: tensor<128x4x32xf32>, %z: tensor<128x4x32xf32>, %c: tensor<128x32xf32>, %s: tensor<128x32xf32>) -> tensor<128x4x32xf32> {
  %0 = stablehlo.slice %x [0:128, 0:4, 0:16] : (tensor<128x4x32xf32>) -> tensor<128x4x16xf32>
  %1 = stablehlo.slice %x [0:128, 0:4, 16:32] : (tensor<128x4x32xf32>) -> tensor<128x4x16xf32>
  %2 = stablehlo.slice %z [0:128, 0:4, 0:16] : (tensor<128x4x32xf32>) -> tensor<128x4x16xf32>
  %3 = stablehlo.slice %z [0:128, 0:4, 16:32] : (tensor<128x4x32xf32>) -> tensor<128x4x16xf32>
  %4 = stablehlo.broadcast_in_dim %c, dims = [0, 2] : (tensor<128x32xf32>) -> tensor<128x4x32xf32>
  %5 = stablehlo.broadcast_in_dim %s, dims = [0, 2] : (tensor<128x32xf32>) -> tensor<128x4x32xf32>
  %6 = stablehlo.negate %3 : tensor<128x4x16xf32>
  %7 = stablehlo.concatenate %6, %0, dim = 2 : (tensor<128x4x16xf32>, tensor<128x4x16xf32>) -> tensor<128x4x32xf32>
  %8 = stablehlo.multiply %x, %4 : tensor<128x4x32xf32>
  %9 = stablehlo.multiply %7, %5 : tensor<128x4x32xf32>
  %10 = stablehlo.add %8, %9 : tensor<128x4x32xf32>
  return %10 : tensor<128x4x32xf32>
}
