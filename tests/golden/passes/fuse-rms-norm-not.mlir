// neuronc opt --passes simplify,fuse
// The mean of squares of a row scales a column of another array: two kernels.
func.func @main(%x: tensor<16x32xf32>, %y: tensor<16x32xf32>, %z: tensor<32x16xf32>) -> tensor<32x16xf32> {
  %0 = stablehlo.multiply %x, %x : tensor<16x32xf32>
  %c0 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %1 = stablehlo.reduce(%0 init: %c0) applies stablehlo.add across dimensions = [1] : (tensor<16x32xf32>, tensor<f32>) -> tensor<16xf32>
  %c1 = stablehlo.constant dense<3.200000e+01> : tensor<16xf32>
  %2 = stablehlo.divide %1, %c1 : tensor<16xf32>
  %c2 = stablehlo.constant dense<9.99999997E-7> : tensor<16xf32>
  %3 = stablehlo.add %2, %c2 : tensor<16xf32>
  %4 = stablehlo.rsqrt %3 : tensor<16xf32>
  %5 = stablehlo.broadcast_in_dim %4, dims = [1] : (tensor<16xf32>) -> tensor<32x16xf32>
  %6 = stablehlo.multiply %z, %5 : tensor<32x16xf32>
  return %6 : tensor<32x16xf32>
}
