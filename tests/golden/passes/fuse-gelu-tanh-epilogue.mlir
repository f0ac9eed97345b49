// neuronc opt --passes simplify,match-activation,fuse
// GELU in its tanh form, one function of the scalar engine, follows the product that it reads: one kernel.
func.func @main(%x: tensor<16x32xf32>, %w: tensor<32x64xf32>) -> tensor<16x64xf32> {
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<16x32xf32>, tensor<32x64xf32>) -> tensor<16x64xf32>
  %c0 = stablehlo.constant dense<1.000000e+00> : tensor<16x64xf32>
  %c1 = stablehlo.constant dense<5.000000e-01> : tensor<16x64xf32>
  %1 = stablehlo.multiply %0, %0 : tensor<16x64xf32>
  %2 = stablehlo.multiply %1, %0 : tensor<16x64xf32>
  %c2 = stablehlo.constant dense<0.797884583> : tensor<16x64xf32>
  %c3 = stablehlo.constant dense<4.471500e-02> : tensor<16x64xf32>
  %3 = stablehlo.multiply %c3, %2 : tensor<16x64xf32>
  %4 = stablehlo.add %0, %3 : tensor<16x64xf32>
  %5 = stablehlo.multiply %c2, %4 : tensor<16x64xf32>
  %6 = stablehlo.tanh %5 : tensor<16x64xf32>
  %7 = stablehlo.multiply %0, %c1 : tensor<16x64xf32>
  %8 = stablehlo.add %c0, %6 : tensor<16x64xf32>
  %9 = stablehlo.multiply %7, %8 : tensor<16x64xf32>
  return %9 : tensor<16x64xf32>
}
