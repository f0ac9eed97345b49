// neuronc opt --passes match-attention,fuse,outline,tile-kernels
// Heads of 12 keys: 4 share each transpose of queries and keys, a maximum, an exponential and a sum.
func.func @main(%q: tensor<8x12x32xf32>, %k: tensor<8x12x32xf32>, %v: tensor<8x12x32xf32>) -> tensor<8x12x32xf32> {
  %s = stablehlo.dot_general %q, %k, batching_dims = [0] x [0], contracting_dims = [2] x [2] : (tensor<8x12x32xf32>, tensor<8x12x32xf32>) -> tensor<8x12x12xf32>
  %lowest = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %zero = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %m = stablehlo.reduce(%s init: %lowest) applies stablehlo.maximum across dimensions = [2] : (tensor<8x12x12xf32>, tensor<f32>) -> tensor<8x12xf32>
  %mb = stablehlo.broadcast_in_dim %m, dims = [0, 1] : (tensor<8x12xf32>) -> tensor<8x12x12xf32>
  %d = stablehlo.subtract %s, %mb : tensor<8x12x12xf32>
  %e = stablehlo.exponential %d : tensor<8x12x12xf32>
  %l = stablehlo.reduce(%e init: %zero) applies stablehlo.add across dimensions = [2] : (tensor<8x12x12xf32>, tensor<f32>) -> tensor<8x12xf32>
  %lb = stablehlo.broadcast_in_dim %l, dims = [0, 1] : (tensor<8x12xf32>) -> tensor<8x12x12xf32>
  %p = stablehlo.divide %e, %lb : tensor<8x12x12xf32>
  %o = stablehlo.dot_general %p, %v, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<8x12x12xf32>, tensor<8x12x32xf32>) -> tensor<8x12x32xf32>
  return %o : tensor<8x12x32xf32>
}
