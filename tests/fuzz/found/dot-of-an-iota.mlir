// a contraction of an iota asked a DMA to load it, though it has no buffer
// %a1: small
func.func @main(%a1: tensor<5x3xf32>) -> (tensor<3xf32>, tensor<5x5xf32>) {
%v1 = "stablehlo.iota"() <{iota_dimension = 0 : i64}> : () -> (tensor<5xf32>)
%v2 = "stablehlo.iota"() <{iota_dimension = 1 : i64}> : () -> (tensor<3x5xf32>)
%v3 = "stablehlo.dot_general"(%v1, %a1) <{dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [0], rhs_contracting_dimensions = [0]>}> : (tensor<5xf32>, tensor<5x3xf32>) -> (tensor<3xf32>)
%v4 = "stablehlo.dot_general"(%a1, %v2) <{dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>}> : (tensor<5x3xf32>, tensor<3x5xf32>) -> (tensor<5x5xf32>)
"func.return"(%v3, %v4) : (tensor<3xf32>, tensor<5x5xf32>) -> ()
}
