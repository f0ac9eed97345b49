// neuronc opt --passes fuse,outline,cluster,keep-resident
// Batches of 100 rows do not all start on the first partition, so they go through HBM.
func.func @main(%x: tensor<3x100x64xf32>, %w: tensor<3x64x32xf32>) -> tensor<3x100xf32> {
  %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %0 = stablehlo.dot_general %x, %w, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<3x100x64xf32>, tensor<3x64x32xf32>) -> tensor<3x100x32xf32>
  %1 = stablehlo.reduce(%0 init: %low) applies stablehlo.maximum across dimensions = [2] : (tensor<3x100x32xf32>, tensor<f32>) -> tensor<3x100xf32>
  return %1 : tensor<3x100xf32>
}
