// a reshape that only a branch read was left behind after its kernel had taken a copy
// %a1: small
// %a2: any
func.func @main(%a1: tensor<6x4xf32>, %a2: tensor<i1>) -> (tensor<3x4xf32>) {
%v1 = "stablehlo.transpose"(%a1) <{permutation = array<i64: 1, 0>}> : (tensor<6x4xf32>) -> (tensor<4x6xf32>)
%v2 = "stablehlo.slice"(%v1) <{start_indices = array<i64: 0, 0>, limit_indices = array<i64: 4, 3>, strides = array<i64: 1, 1>}> : (tensor<4x6xf32>) -> (tensor<4x3xf32>)
%v3 = "stablehlo.reshape"(%v2) : (tensor<4x3xf32>) -> (tensor<4x1x3xf32>)
%v4 = "stablehlo.transpose"(%v3) <{permutation = array<i64: 1, 2, 0>}> : (tensor<4x1x3xf32>) -> (tensor<1x3x4xf32>)
%v5 = "stablehlo.reshape"(%v4) : (tensor<1x3x4xf32>) -> (tensor<3x4xf32>)
%v6 = "stablehlo.if"(%a2) ({
^bb0:
"stablehlo.return"(%v5) : (tensor<3x4xf32>) -> ()
}, {
^bb0:
"stablehlo.return"(%v5) : (tensor<3x4xf32>) -> ()
}) : (tensor<i1>) -> (tensor<3x4xf32>)
"func.return"(%v6) : (tensor<3x4xf32>) -> ()
}
