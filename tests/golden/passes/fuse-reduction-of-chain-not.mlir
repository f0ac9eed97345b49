// neuronc opt --passes fuse
// A sum over rows joins, one over columns would walk the space the other way: two kernels.
func.func @main(%x: tensor<16x32xf32>) -> (tensor<16xf32>, tensor<32xf32>) {
  %0 = stablehlo.exponential %x : tensor<16x32xf32>
  %c0 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %1 = stablehlo.reduce(%0 init: %c0) applies stablehlo.add across dimensions = [1] : (tensor<16x32xf32>, tensor<f32>) -> tensor<16xf32>
  %2 = stablehlo.reduce(%0 init: %c0) applies stablehlo.add across dimensions = [0] : (tensor<16x32xf32>, tensor<f32>) -> tensor<32xf32>
  return %1, %2 : tensor<16xf32>, tensor<32xf32>
}
