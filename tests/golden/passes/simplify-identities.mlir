// neuronc opt --passes simplify
// Every identity goes, with what only it used: one addition is left.
func.func @main(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %unused = stablehlo.exponential %y : tensor<4x8xf32>
  %reshaped = stablehlo.reshape %x : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %turned = stablehlo.transpose %reshaped, dims = [0, 1] : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %spread = stablehlo.broadcast_in_dim %turned, dims = [0, 1] : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %converted = stablehlo.convert %spread : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %fenced = stablehlo.optimization_barrier %converted : tensor<4x8xf32>
  %lowest = stablehlo.constant dense<0xFF800000> : tensor<4x8xf32>
  %same = stablehlo.maximum %lowest, %fenced : tensor<4x8xf32>
  %sum = stablehlo.add %same, %y : tensor<4x8xf32>
  return %sum : tensor<4x8xf32>
}
