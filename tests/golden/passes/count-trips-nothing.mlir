// neuronc opt --passes count-trips
// The first loop ends by data, and the second moves away from its bound, so that it wraps around.
func.func @main(%n: tensor<i32>) -> (tensor<i32>, tensor<i32>) {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %b = stablehlo.while(%i = %zero) : tensor<i32>
    cond {
      %c = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %c : tensor<i1>
    } do {
      %d = stablehlo.add %i, %one : tensor<i32>
      stablehlo.return %d : tensor<i32>
    }
  %e = stablehlo.while(%i = %zero) : tensor<i32>
    cond {
      %c = stablehlo.compare GE, %i, %zero : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %c : tensor<i1>
    } do {
      %d = stablehlo.add %i, %one : tensor<i32>
      stablehlo.return %d : tensor<i32>
    }
  return %b, %e : tensor<i32>, tensor<i32>
}
