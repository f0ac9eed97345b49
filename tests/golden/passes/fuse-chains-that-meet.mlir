// neuronc opt --passes fuse
// Two chains over one space end in one sum: one kernel.
func.func @main(%x: tensor<16x32xf32>, %y: tensor<16x32xf32>) -> tensor<16x32xf32> {
  %0 = stablehlo.exponential %x : tensor<16x32xf32>
  %1 = stablehlo.tanh %y : tensor<16x32xf32>
  %2 = stablehlo.add %0, %1 : tensor<16x32xf32>
  return %2 : tensor<16x32xf32>
}
