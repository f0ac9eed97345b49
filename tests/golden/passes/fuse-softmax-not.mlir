// neuronc opt --passes fuse
// The maxima are of rows and the sums of columns, as no softmax has them: two kernels.
func.func @main(%x: tensor<16x32xf32>) -> tensor<16x32xf32> {
  %c0 = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %0 = stablehlo.reduce(%x init: %c0) applies stablehlo.maximum across dimensions = [1] : (tensor<16x32xf32>, tensor<f32>) -> tensor<16xf32>
  %1 = stablehlo.broadcast_in_dim %0, dims = [0] : (tensor<16xf32>) -> tensor<16x32xf32>
  %2 = stablehlo.subtract %x, %1 : tensor<16x32xf32>
  %3 = stablehlo.exponential %2 : tensor<16x32xf32>
  %c1 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %4 = stablehlo.reduce(%3 init: %c1) applies stablehlo.add across dimensions = [0] : (tensor<16x32xf32>, tensor<f32>) -> tensor<32xf32>
  %5 = stablehlo.broadcast_in_dim %4, dims = [1] : (tensor<32xf32>) -> tensor<16x32xf32>
  %6 = stablehlo.divide %3, %5 : tensor<16x32xf32>
  return %6 : tensor<16x32xf32>
}
