// neuronc opt --passes roll
// A constant that differs from layer to layer makes them different layers.
func.func @main(%x: tensor<8x8xf32>, %w0: tensor<8x8xf32>, %w1: tensor<8x8xf32>, %w2: tensor<8x8xf32>, %w3: tensor<8x8xf32>, %w4: tensor<8x8xf32>, %w5: tensor<8x8xf32>) -> (tensor<8x8xf32>) {
  %half = stablehlo.constant dense<0.5> : tensor<8x8xf32>
  %third = stablehlo.constant dense<0.3> : tensor<8x8xf32>
  %d0 = stablehlo.dot_general %x, %w0, contracting_dims = [1] x [0] : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %s0 = stablehlo.multiply %d0, %half : tensor<8x8xf32>
  %y0 = stablehlo.tanh %s0 : tensor<8x8xf32>
  %d1 = stablehlo.dot_general %y0, %w1, contracting_dims = [1] x [0] : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %s1 = stablehlo.multiply %d1, %third : tensor<8x8xf32>
  %y1 = stablehlo.tanh %s1 : tensor<8x8xf32>
  %d2 = stablehlo.dot_general %y1, %w2, contracting_dims = [1] x [0] : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %s2 = stablehlo.multiply %d2, %half : tensor<8x8xf32>
  %y2 = stablehlo.tanh %s2 : tensor<8x8xf32>
  %d3 = stablehlo.dot_general %y2, %w3, contracting_dims = [1] x [0] : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %s3 = stablehlo.multiply %d3, %half : tensor<8x8xf32>
  %y3 = stablehlo.tanh %s3 : tensor<8x8xf32>
  %d4 = stablehlo.dot_general %y3, %w4, contracting_dims = [1] x [0] : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %s4 = stablehlo.multiply %d4, %third : tensor<8x8xf32>
  %y4 = stablehlo.tanh %s4 : tensor<8x8xf32>
  %d5 = stablehlo.dot_general %y4, %w5, contracting_dims = [1] x [0] : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %s5 = stablehlo.multiply %d5, %third : tensor<8x8xf32>
  %y5 = stablehlo.tanh %s5 : tensor<8x8xf32>
  return %y5 : tensor<8x8xf32>
}
