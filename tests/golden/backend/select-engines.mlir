// neuronc opt --passes fuse,outline,tile-kernels,select
// Float arithmetic on vector, functions with a table on scalar, the others and exact integers on gpsimd.
func.func @main(%x: tensor<16x32xf32>, %y: tensor<16x32xf32>, %i: tensor<16x32xi32>) -> (tensor<16x32xf32>, tensor<16x32xf32>, tensor<16x32xi32>) {
  %0 = stablehlo.add %x, %y : tensor<16x32xf32>
  %1 = stablehlo.tanh %0 : tensor<16x32xf32>
  %2 = stablehlo.cosine %1 : tensor<16x32xf32>
  %3 = stablehlo.compare GT, %1, %2 : (tensor<16x32xf32>, tensor<16x32xf32>) -> tensor<16x32xi1>
  %4 = stablehlo.select %3, %1, %2 : tensor<16x32xi1>, tensor<16x32xf32>
  %5 = stablehlo.add %i, %i : tensor<16x32xi32>
  return %0, %4, %5 : tensor<16x32xf32>, tensor<16x32xf32>, tensor<16x32xi32>
}
