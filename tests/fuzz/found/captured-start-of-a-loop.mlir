// a loop took over the buffer of its start value, though its body read that value too
// %a133: any
// %a137: small
// %a146: small
func.func @main(%a133: tensor<1xi1>, %a137: tensor<1xui32>, %a146: tensor<1xui32>) -> (tensor<1xui32>, tensor<1xui32>) {
%v135 = "stablehlo.iota"() <{iota_dimension = 0 : i64}> : () -> (tensor<1xi32>)
%v136 = "stablehlo.bitcast_convert"(%v135) : (tensor<1xi32>) -> (tensor<1xui32>)
%v138 = "stablehlo.select"(%a133, %v136, %a137) : (tensor<1xi1>, tensor<1xui32>, tensor<1xui32>) -> (tensor<1xui32>)
%c139 = stablehlo.constant dense<0> : tensor<i32>
%v150:2 = "stablehlo.while"(%c139, %v138) ({
^bb0(%i140: tensor<i32>, %l141: tensor<1xui32>):
%c142 = stablehlo.constant dense<2> : tensor<i32>
%v143 = "stablehlo.compare"(%i140, %c142) <{comparison_direction = #stablehlo<comparison_direction LT>}> : (tensor<i32>, tensor<i32>) -> (tensor<i1>)
"stablehlo.return"(%v143) : (tensor<i1>) -> ()
}, {
^bb0(%i144: tensor<i32>, %l145: tensor<1xui32>):
%v147 = "stablehlo.add"(%a146, %v138) : (tensor<1xui32>, tensor<1xui32>) -> (tensor<1xui32>)
%c148 = stablehlo.constant dense<1> : tensor<i32>
%v149 = "stablehlo.add"(%i144, %c148) : (tensor<i32>, tensor<i32>) -> (tensor<i32>)
"stablehlo.return"(%v149, %v147) : (tensor<i32>, tensor<1xui32>) -> ()
}) : (tensor<i32>, tensor<1xui32>) -> (tensor<i32>, tensor<1xui32>)
%v151 = "stablehlo.slice"(%v150#1) <{start_indices = array<i64: 0>, limit_indices = array<i64: 1>, strides = array<i64: 1>}> : (tensor<1xui32>) -> (tensor<1xui32>)
%c152 = stablehlo.constant dense<0> : tensor<i32>
%v164:3 = "stablehlo.while"(%c152, %v151, %v151) ({
^bb0(%i153: tensor<i32>, %l154: tensor<1xui32>, %l155: tensor<1xui32>):
%c156 = stablehlo.constant dense<1> : tensor<i32>
%v157 = "stablehlo.compare"(%i153, %c156) <{comparison_direction = #stablehlo<comparison_direction LT>}> : (tensor<i32>, tensor<i32>) -> (tensor<i1>)
"stablehlo.return"(%v157) : (tensor<i1>) -> ()
}, {
^bb0(%i158: tensor<i32>, %l159: tensor<1xui32>, %l160: tensor<1xui32>):
%c162 = stablehlo.constant dense<1> : tensor<i32>
%v163 = "stablehlo.add"(%i158, %c162) : (tensor<i32>, tensor<i32>) -> (tensor<i32>)
"stablehlo.return"(%v163, %v151, %v151) : (tensor<i32>, tensor<1xui32>, tensor<1xui32>) -> ()
}) : (tensor<i32>, tensor<1xui32>, tensor<1xui32>) -> (tensor<i32>, tensor<1xui32>, tensor<1xui32>)
%v165 = "stablehlo.select"(%a133, %v164#2, %v164#2) : (tensor<1xi1>, tensor<1xui32>, tensor<1xui32>) -> (tensor<1xui32>)
%v166 = "stablehlo.not"(%v165) : (tensor<1xui32>) -> (tensor<1xui32>)
"func.return"(%v166, %v166) : (tensor<1xui32>, tensor<1xui32>) -> ()
}
