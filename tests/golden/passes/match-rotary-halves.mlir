// neuronc opt --passes simplify,match-rotary
// The halves swapped are a view, the sign is the table's: nothing is left to concatenate.
func.func @main(%x: tensor<128x4x32xf32>, %c: tensor<128x32xf32>, %s: tensor<128x32xf32>) -> tensor<128x4x32xf32> {
  %l = stablehlo.slice %x [0:128, 0:4, 0:16] : (tensor<128x4x32xf32>) -> tensor<128x4x16xf32>
  %h = stablehlo.slice %x [0:128, 0:4, 16:32] : (tensor<128x4x32xf32>) -> tensor<128x4x16xf32>
  %n = stablehlo.negate %h : tensor<128x4x16xf32>
  %r = stablehlo.concatenate %n, %l, dim = 2
  : (tensor<128x4x16xf32>, tensor<128x4x16xf32>) -> tensor<128x4x32xf32>
  %cb = stablehlo.broadcast_in_dim %c, dims = [0, 2]
  : (tensor<128x32xf32>) -> tensor<128x4x32xf32>
  %sb = stablehlo.broadcast_in_dim %s, dims = [0, 2]
  : (tensor<128x32xf32>) -> tensor<128x4x32xf32>
  %p = stablehlo.multiply %x, %cb : tensor<128x4x32xf32>
  %q = stablehlo.multiply %r, %sb : tensor<128x4x32xf32>
  %y = stablehlo.add %p, %q : tensor<128x4x32xf32>
  return %y : tensor<128x4x32xf32>
}
