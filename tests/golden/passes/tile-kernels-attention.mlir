// neuronc opt --passes match-attention,fuse,outline,tile-kernels
// Scores stay in PSUM; the causal mask is a pattern made once, for the block that it crosses.
func.func @main(%q: tensor<1x4x16x8xf32>, %k: tensor<1x2x16x8xf32>, %v: tensor<1x2x16x8xf32>) -> tensor<16x32xf32> {
  %k4 = stablehlo.reshape %k : (tensor<1x2x16x8xf32>) -> tensor<1x2x1x16x8xf32>
  %k5 = stablehlo.broadcast_in_dim %k4, dims = [0, 1, 2, 3, 4] : (tensor<1x2x1x16x8xf32>) -> tensor<1x2x2x16x8xf32>
  %k6 = stablehlo.reshape %k5 : (tensor<1x2x2x16x8xf32>) -> tensor<1x4x16x8xf32>
  %v4 = stablehlo.reshape %v : (tensor<1x2x16x8xf32>) -> tensor<1x2x1x16x8xf32>
  %v5 = stablehlo.broadcast_in_dim %v4, dims = [0, 1, 2, 3, 4] : (tensor<1x2x1x16x8xf32>) -> tensor<1x2x2x16x8xf32>
  %v6 = stablehlo.reshape %v5 : (tensor<1x2x2x16x8xf32>) -> tensor<1x4x16x8xf32>
  %s = stablehlo.dot_general %q, %k6, batching_dims = [0, 1] x [0, 1], contracting_dims = [3] x [3] : (tensor<1x4x16x8xf32>, tensor<1x4x16x8xf32>) -> tensor<1x4x16x16xf32>
  %f = stablehlo.constant dense<3.535534e-01> : tensor<1x4x16x16xf32>
  %c = stablehlo.multiply %s, %f : tensor<1x4x16x16xf32>
  %rows = stablehlo.iota dim = 0 : tensor<16x16xi32>
  %columns = stablehlo.iota dim = 1 : tensor<16x16xi32>
  %sees = stablehlo.compare GE, %rows, %columns, SIGNED : (tensor<16x16xi32>, tensor<16x16xi32>) -> tensor<16x16xi1>
  %mask = stablehlo.broadcast_in_dim %sees, dims = [2, 3] : (tensor<16x16xi1>) -> tensor<1x4x16x16xi1>
  %none = stablehlo.constant dense<0xFF7FFFFF> : tensor<1x4x16x16xf32>
  %w = stablehlo.select %mask, %c, %none : tensor<1x4x16x16xi1>, tensor<1x4x16x16xf32>
  %lowest = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %zero = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %m = stablehlo.reduce(%w init: %lowest) applies stablehlo.maximum across dimensions = [3] : (tensor<1x4x16x16xf32>, tensor<f32>) -> tensor<1x4x16xf32>
  %mb = stablehlo.broadcast_in_dim %m, dims = [0, 1, 2] : (tensor<1x4x16xf32>) -> tensor<1x4x16x16xf32>
  %d = stablehlo.subtract %w, %mb : tensor<1x4x16x16xf32>
  %e = stablehlo.exponential %d : tensor<1x4x16x16xf32>
  %l = stablehlo.reduce(%e init: %zero) applies stablehlo.add across dimensions = [3] : (tensor<1x4x16x16xf32>, tensor<f32>) -> tensor<1x4x16xf32>
  %lb = stablehlo.broadcast_in_dim %l, dims = [0, 1, 2] : (tensor<1x4x16xf32>) -> tensor<1x4x16x16xf32>
  %p = stablehlo.divide %e, %lb : tensor<1x4x16x16xf32>
  %o = stablehlo.dot_general %p, %v6, batching_dims = [0, 1] x [0, 1], contracting_dims = [3] x [2] : (tensor<1x4x16x16xf32>, tensor<1x4x16x8xf32>) -> tensor<1x4x16x8xf32>
  %t = stablehlo.transpose %o, dims = [0, 2, 1, 3] : (tensor<1x4x16x8xf32>) -> tensor<1x16x4x8xf32>
  %r = stablehlo.reshape %t : (tensor<1x16x4x8xf32>) -> tensor<16x32xf32>
  return %r : tensor<16x32xf32>
}
