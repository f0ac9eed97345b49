// neuronc opt --passes materialize
// The update writes %x in place, so the rows that it writes are copied out of %x first.
func.func @main(%x: tensor<8x4xf32>, %i: tensor<i32>) -> tensor<8x4xf32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %rows = stablehlo.slice %x [0:4, 0:4] : (tensor<8x4xf32>) -> tensor<4x4xf32>
  %0 = stablehlo.dynamic_update_slice %x, %rows, %i, %zero : (tensor<8x4xf32>, tensor<4x4xf32>, tensor<i32>, tensor<i32>) -> tensor<8x4xf32>
  return %0 : tensor<8x4xf32>
}
