// neuronc opt --passes materialize
// The addition reads every view in place, and a reshape of a whole buffer is the same bytes.
func.func @main(%x: tensor<4x6xf32>, %y: tensor<6xf32>) -> (tensor<3x4xf32>, tensor<24xf32>) {
  %turned = stablehlo.transpose %x, dims = [1, 0] : (tensor<4x6xf32>) -> tensor<6x4xf32>
  %part = stablehlo.slice %turned [0:6:2, 0:4] : (tensor<6x4xf32>) -> tensor<3x4xf32>
  %wide = stablehlo.broadcast_in_dim %y, dims = [0] : (tensor<6xf32>) -> tensor<6x4xf32>
  %rows = stablehlo.slice %wide [3:6, 0:4] : (tensor<6x4xf32>) -> tensor<3x4xf32>
  %sum = stablehlo.add %part, %rows : tensor<3x4xf32>
  %flat = stablehlo.reshape %x : (tensor<4x6xf32>) -> tensor<24xf32>
  return %sum, %flat : tensor<3x4xf32>, tensor<24xf32>
}
