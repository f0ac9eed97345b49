// neuronc opt --passes simplify
// A transposed product is one in the other order; not where the product is read too, or other axes move.
func.func @main(%x: tensor<4x8x16xf32>, %y: tensor<4x8x32xf32>, %a: tensor<8x16xf32>, %b: tensor<16x32xf32>, %z: tensor<4x8x16xf32>) -> (tensor<4x32x16xf32>, tensor<32x8xf32>, tensor<8x32xf32>, tensor<16x4x32xf32>) {
  %0 = stablehlo.dot_general %x, %y, batching_dims = [0] x [0], contracting_dims = [1] x [1] : (tensor<4x8x16xf32>, tensor<4x8x32xf32>) -> tensor<4x16x32xf32>
  %1 = stablehlo.transpose %0, dims = [0, 2, 1] : (tensor<4x16x32xf32>) -> tensor<4x32x16xf32>
  %2 = stablehlo.dot_general %a, %b, contracting_dims = [1] x [0] : (tensor<8x16xf32>, tensor<16x32xf32>) -> tensor<8x32xf32>
  %3 = stablehlo.transpose %2, dims = [1, 0] : (tensor<8x32xf32>) -> tensor<32x8xf32>
  %4 = stablehlo.dot_general %z, %y, batching_dims = [0] x [0], contracting_dims = [1] x [1] : (tensor<4x8x16xf32>, tensor<4x8x32xf32>) -> tensor<4x16x32xf32>
  %5 = stablehlo.transpose %4, dims = [1, 0, 2] : (tensor<4x16x32xf32>) -> tensor<16x4x32xf32>
  return %1, %3, %2, %5 : tensor<4x32x16xf32>, tensor<32x8xf32>, tensor<8x32xf32>, tensor<16x4x32xf32>
}
