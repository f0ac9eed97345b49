// neuronc opt --passes simplify
// Ops on splats are splats: one number is stored, whatever the shape.
func.func @main() -> (tensor<128x512xf32>, tensor<128x512xi1>) {
  %half = stablehlo.constant dense<5.000000e-01> : tensor<f32>
  %row = stablehlo.broadcast_in_dim %half, dims = [] : (tensor<f32>) -> tensor<512xf32>
  %all = stablehlo.broadcast_in_dim %row, dims = [1] : (tensor<512xf32>) -> tensor<128x512xf32>
  %sum = stablehlo.add %all, %all : tensor<128x512xf32>
  %whole = stablehlo.convert %sum : (tensor<128x512xf32>) -> tensor<128x512xi32>
  %back = stablehlo.convert %whole : (tensor<128x512xi32>) -> tensor<128x512xf32>
  %equal = stablehlo.compare EQ, %back, %all : (tensor<128x512xf32>, tensor<128x512xf32>) -> tensor<128x512xi1>
  return %back, %equal : tensor<128x512xf32>, tensor<128x512xi1>
}
