// neuronc opt --passes simplify,match-rotary
// The parts in their order, of two values, and negated where a sum reads them: concatenates stay.
func.func @main(%x: tensor<8x32xf32>, %z: tensor<8x32xf32>) -> (tensor<8x32xf32>, tensor<8x32xf32>, tensor<8x32xf32>) {
  %l = stablehlo.slice %x [0:8, 0:16] : (tensor<8x32xf32>) -> tensor<8x16xf32>
  %h = stablehlo.slice %x [0:8, 16:32] : (tensor<8x32xf32>) -> tensor<8x16xf32>
  %k = stablehlo.slice %z [0:8, 0:16] : (tensor<8x32xf32>) -> tensor<8x16xf32>
  %0 = stablehlo.concatenate %l, %h, dim = 1 : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x32xf32>
  %1 = stablehlo.multiply %0, %z : tensor<8x32xf32>
  %2 = stablehlo.concatenate %h, %k, dim = 1 : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x32xf32>
  %3 = stablehlo.multiply %2, %z : tensor<8x32xf32>
  %n = stablehlo.negate %h : tensor<8x16xf32>
  %4 = stablehlo.concatenate %n, %l, dim = 1 : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x32xf32>
  %5 = stablehlo.add %4, %z : tensor<8x32xf32>
  return %1, %3, %5 : tensor<8x32xf32>, tensor<8x32xf32>, tensor<8x32xf32>
}
