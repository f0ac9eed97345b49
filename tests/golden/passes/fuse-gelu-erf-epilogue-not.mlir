// neuronc opt --passes simplify,match-activation,fuse
// A maximum over each row lies between, and a tile of the product is no whole row: two kernels.
func.func @main(%x: tensor<16x32xf32>, %w: tensor<32x64xf32>) -> tensor<16x64xf32> {
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<16x32xf32>, tensor<32x64xf32>) -> tensor<16x64xf32>
  %c0 = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %1 = stablehlo.reduce(%0 init: %c0) applies stablehlo.maximum across dimensions = [1] : (tensor<16x64xf32>, tensor<f32>) -> tensor<16xf32>
  %2 = stablehlo.broadcast_in_dim %1, dims = [0] : (tensor<16xf32>) -> tensor<16x64xf32>
  %3 = stablehlo.subtract %0, %2 : tensor<16x64xf32>
  %c1 = stablehlo.constant dense<1.000000e+00> : tensor<16x64xf32>
  %c2 = stablehlo.constant dense<5.000000e-01> : tensor<16x64xf32>
  %c3 = stablehlo.constant dense<0.707106769> : tensor<16x64xf32>
  %4 = stablehlo.multiply %3, %c3 : tensor<16x64xf32>
  %5 = chlo.erf %4 : tensor<16x64xf32> -> tensor<16x64xf32>
  %6 = stablehlo.multiply %3, %c2 : tensor<16x64xf32>
  %7 = stablehlo.add %c1, %5 : tensor<16x64xf32>
  %8 = stablehlo.multiply %6, %7 : tensor<16x64xf32>
  return %8 : tensor<16x64xf32>
}
