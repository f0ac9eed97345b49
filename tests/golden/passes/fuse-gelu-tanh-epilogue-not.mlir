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
  %4 = stablehlo.multiply %3, %3 : tensor<16x64xf32>
  %5 = stablehlo.multiply %4, %3 : tensor<16x64xf32>
  %c3 = stablehlo.constant dense<0.797884583> : tensor<16x64xf32>
  %c4 = stablehlo.constant dense<4.471500e-02> : tensor<16x64xf32>
  %6 = stablehlo.multiply %c4, %5 : tensor<16x64xf32>
  %7 = stablehlo.add %3, %6 : tensor<16x64xf32>
  %8 = stablehlo.multiply %c3, %7 : tensor<16x64xf32>
  %9 = stablehlo.tanh %8 : tensor<16x64xf32>
  %10 = stablehlo.multiply %3, %c2 : tensor<16x64xf32>
  %11 = stablehlo.add %c1, %9 : tensor<16x64xf32>
  %12 = stablehlo.multiply %10, %11 : tensor<16x64xf32>
  return %12 : tensor<16x64xf32>
}
