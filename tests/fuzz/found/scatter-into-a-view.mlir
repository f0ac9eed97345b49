// scatter into a reversed value updated the buffer below the view
// %a1: small
// %a33: index 8
func.func @main(%a1: tensor<8x8x8xf32>, %a33: tensor<1x1xi32>) -> (tensor<8x8x8xf32>) {
%v2 = "stablehlo.reverse"(%a1) <{dimensions = array<i64: 0>}> : (tensor<8x8x8xf32>) -> (tensor<8x8x8xf32>)
%c22 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
%v32 = "stablehlo.broadcast_in_dim"(%c22) <{broadcast_dimensions = array<i64>}> : (tensor<f32>) -> (tensor<1x8x8xf32>)
%v36 = "stablehlo.scatter"(%v2, %a33, %v32) <{scatter_dimension_numbers = #stablehlo.scatter<update_window_dims = [1, 2], inserted_window_dims = [0], scatter_dims_to_operand_dims = [0], index_vector_dim = 1>, indices_are_sorted = false, unique_indices = false}> ({
^bb0(%r34: tensor<f32>, %r35: tensor<f32>):
"stablehlo.return"(%r35) : (tensor<f32>) -> ()
}) : (tensor<8x8x8xf32>, tensor<1x1xi32>, tensor<1x8x8xf32>) -> (tensor<8x8x8xf32>)
"func.return"(%v36) : (tensor<8x8x8xf32>) -> ()
}
