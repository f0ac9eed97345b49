// neuronc opt --passes count-trips
// The loop counts down from 10 by 3 as long as it is above 0: it runs 4 times.
func.func @main() -> tensor<i32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %ten = stablehlo.constant dense<10> : tensor<i32>
  %three = stablehlo.constant dense<3> : tensor<i32>
  %a = stablehlo.while(%i = %ten) : tensor<i32>
    cond {
      %c = stablehlo.compare LT, %zero, %i : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %c : tensor<i1>
    } do {
      %d = stablehlo.subtract %i, %three : tensor<i32>
      stablehlo.return %d : tensor<i32>
    }
  return %a : tensor<i32>
}
