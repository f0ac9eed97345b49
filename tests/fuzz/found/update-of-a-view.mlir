// dynamic_update_slice of a reversed value updated the buffer below the view
// %a1: small
// %a6: small
func.func @main(%a1: tensor<2xf32>, %a6: tensor<1xf32>) -> (tensor<2xf32>) {
%v2 = "stablehlo.add"(%a1, %a1) : (tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>)
%v3 = "stablehlo.add"(%v2, %v2) : (tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>)
%v5 = "stablehlo.reverse"(%v3) <{dimensions = array<i64: 0>}> : (tensor<2xf32>) -> (tensor<2xf32>)
%c7 = stablehlo.constant dense<0> : tensor<i32>
%v8 = "stablehlo.dynamic_update_slice"(%v5, %a6, %c7) : (tensor<2xf32>, tensor<1xf32>, tensor<i32>) -> (tensor<2xf32>)
%v9 = "stablehlo.add"(%v8, %v8) : (tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>)
%v10 = "stablehlo.add"(%v9, %v9) : (tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>)
%v11 = "stablehlo.add"(%v10, %v10) : (tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>)
"func.return"(%v11) : (tensor<2xf32>) -> ()
}
