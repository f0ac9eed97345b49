// a loop took over the buffer of its start value, though its body read that value too
// %a1: small
// %a2: small
func.func @main(%a1: tensor<1xi32>, %a2: tensor<1xi32>) -> (tensor<1xi32>) {
%v1 = "stablehlo.multiply"(%a1, %a2) : (tensor<1xi32>, tensor<1xi32>) -> (tensor<1xi32>)
%c1 = stablehlo.constant dense<0> : tensor<i32>
%v2:2 = "stablehlo.while"(%c1, %v1) ({
^bb0(%i1: tensor<i32>, %l1: tensor<1xi32>):
%c2 = stablehlo.constant dense<2> : tensor<i32>
%v3 = "stablehlo.compare"(%i1, %c2) <{comparison_direction = #stablehlo<comparison_direction LT>}> : (tensor<i32>, tensor<i32>) -> (tensor<i1>)
"stablehlo.return"(%v3) : (tensor<i1>) -> ()
}, {
^bb0(%i2: tensor<i32>, %l2: tensor<1xi32>):
%v4 = "stablehlo.add"(%a1, %v1) : (tensor<1xi32>, tensor<1xi32>) -> (tensor<1xi32>)
%c3 = stablehlo.constant dense<1> : tensor<i32>
%v5 = "stablehlo.add"(%i2, %c3) : (tensor<i32>, tensor<i32>) -> (tensor<i32>)
"stablehlo.return"(%v5, %v4) : (tensor<i32>, tensor<1xi32>) -> ()
}) : (tensor<i32>, tensor<1xi32>) -> (tensor<i32>, tensor<1xi32>)
%v6 = "stablehlo.add"(%v2#1, %v2#1) : (tensor<1xi32>, tensor<1xi32>) -> (tensor<1xi32>)
"func.return"(%v6) : (tensor<1xi32>) -> ()
}
