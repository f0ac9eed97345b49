// neuronc opt --passes fuse
// The residual is read by tile and added as the product leaves PSUM: one kernel.
func.func @main(%x: tensor<16x32xf32>, %w: tensor<32x64xf32>, %r: tensor<16x64xf32>) -> tensor<16x64xf32> {
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<16x32xf32>, tensor<32x64xf32>) -> tensor<16x64xf32>
  %1 = stablehlo.add %0, %r : tensor<16x64xf32>
  return %1 : tensor<16x64xf32>
}
