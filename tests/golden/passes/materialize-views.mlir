// neuronc opt --passes materialize
// A reshape across a transpose needs a copy, and so does a slice that is a result.
func.func @main(%x: tensor<4x6xf32>) -> (tensor<24xf32>, tensor<2x6xf32>) {
  %turned = stablehlo.transpose %x, dims = [1, 0] : (tensor<4x6xf32>) -> tensor<6x4xf32>
  %flat = stablehlo.reshape %turned : (tensor<6x4xf32>) -> tensor<24xf32>
  %sum = stablehlo.add %flat, %flat : tensor<24xf32>
  %part = stablehlo.slice %x [1:3, 0:6] : (tensor<4x6xf32>) -> tensor<2x6xf32>
  return %sum, %part : tensor<24xf32>, tensor<2x6xf32>
}
