// neuronc opt --passes fuse,outline,tile-kernels
// A reduction along the columns, and its initial value, which is not the neutral one.
func.func @main(%x: tensor<16x64xf32>) -> tensor<16xf32> {
  %one = stablehlo.constant dense<1.000000e+00> : tensor<f32>
  %0 = stablehlo.reduce(%x init: %one) applies stablehlo.add across dimensions = [1] : (tensor<16x64xf32>, tensor<f32>) -> tensor<16xf32>
  return %0 : tensor<16xf32>
}
