// neuronc opt --passes roll
// Ops that become one kernel are no layers, however often they repeat.
func.func @main(%x0: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %x1 = stablehlo.tanh %x0 : tensor<8x8xf32>
  %x2 = stablehlo.cosine %x1 : tensor<8x8xf32>
  %x3 = stablehlo.tanh %x2 : tensor<8x8xf32>
  %x4 = stablehlo.cosine %x3 : tensor<8x8xf32>
  %x5 = stablehlo.tanh %x4 : tensor<8x8xf32>
  %x6 = stablehlo.cosine %x5 : tensor<8x8xf32>
  %x7 = stablehlo.tanh %x6 : tensor<8x8xf32>
  %x8 = stablehlo.cosine %x7 : tensor<8x8xf32>
  %x9 = stablehlo.tanh %x8 : tensor<8x8xf32>
  %x10 = stablehlo.cosine %x9 : tensor<8x8xf32>
  %x11 = stablehlo.tanh %x10 : tensor<8x8xf32>
  %x12 = stablehlo.cosine %x11 : tensor<8x8xf32>
  %x13 = stablehlo.tanh %x12 : tensor<8x8xf32>
  %x14 = stablehlo.cosine %x13 : tensor<8x8xf32>
  %x15 = stablehlo.tanh %x14 : tensor<8x8xf32>
  %x16 = stablehlo.cosine %x15 : tensor<8x8xf32>
  return %x16 : tensor<8x8xf32>
}
