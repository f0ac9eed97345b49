// neuronc opt --passes fuse,outline,tile-kernels
// A gradient of a gain: the rows lie on the partitions, and a product with ones adds them up.
func.func @main(%x: tensor<256x600xf32>, %g: tensor<256x600xf32>) -> tensor<600xf32> {
  %zero = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %0 = stablehlo.multiply %x, %g : tensor<256x600xf32>
  %1 = stablehlo.reduce(%0 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<256x600xf32>, tensor<f32>) -> tensor<600xf32>
  return %1 : tensor<600xf32>
}
