// neuronc opt --passes simplify
// x + 0 turns -0 into 0, x * 0 keeps NaN, maximum with 0 cuts, and a whole array is not computed on.
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %zero = stablehlo.constant dense<0.000000e+00> : tensor<4xf32>
  %array = stablehlo.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %sum = stablehlo.add %x, %zero : tensor<4xf32>
  %product = stablehlo.multiply %x, %zero : tensor<4xf32>
  %cut = stablehlo.maximum %x, %zero : tensor<4xf32>
  %double = stablehlo.add %array, %array : tensor<4xf32>
  return %sum, %product, %cut, %double : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
