// neuronc opt --passes fuse,outline
// Another function, another number or another shape is another kernel.
func.func @main(%x: tensor<8xf32>, %y: tensor<8xf32>, %z: tensor<8xf32>, %w: tensor<4xf32>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<4xf32>) {
  %one = stablehlo.constant dense<1.000000e+00> : tensor<8xf32>
  %two = stablehlo.constant dense<2.000000e+00> : tensor<8xf32>
  %0 = stablehlo.tanh %x : tensor<8xf32>
  %1 = stablehlo.add %y, %one : tensor<8xf32>
  %2 = stablehlo.add %z, %two : tensor<8xf32>
  %3 = stablehlo.tanh %w : tensor<4xf32>
  return %0, %1, %2, %3 : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<4xf32>
}
