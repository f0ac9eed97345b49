// two functions in one instruction: what the second read had been written by the first
// %a1: small
// %a2: small
// %a3: small
func.func @main(%a1: tensor<2x6xf32>, %a2: tensor<2x6xf32>, %a3: tensor<2x6xf32>) -> (tensor<2x6xf32>) {
  %q = stablehlo.constant dense<0.25> : tensor<2x6xf32>
  %a = stablehlo.multiply %a1, %q : tensor<2x6xf32>
  %b = stablehlo.multiply %a2, %q : tensor<2x6xf32>
  %c = stablehlo.multiply %a3, %q : tensor<2x6xf32>
  %y = stablehlo.clamp %a, %b, %c : tensor<2x6xf32>
  return %y : tensor<2x6xf32>
}
