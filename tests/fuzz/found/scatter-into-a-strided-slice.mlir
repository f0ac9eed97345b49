// scatter into a strided slice was handed a buffer of another size
// %a1: small
// %a9: index 3
// %a26: index 3
func.func @main(%a1: tensor<7xf32>, %a9: tensor<1x1xi32>, %a26: tensor<1x1xi32>) -> (tensor<3xf32>) {
%v4 = "stablehlo.slice"(%a1) <{start_indices = array<i64: 0>, limit_indices = array<i64: 7>, strides = array<i64: 3>}> : (tensor<7xf32>) -> (tensor<3xf32>)
%c8 = stablehlo.constant dense<0.000000e+00> : tensor<1xf32>
%v12 = "stablehlo.scatter"(%v4, %a9, %c8) <{scatter_dimension_numbers = #stablehlo.scatter<update_window_dims = [], inserted_window_dims = [0], scatter_dims_to_operand_dims = [0], index_vector_dim = 1>, indices_are_sorted = false, unique_indices = false}> ({
^bb0(%r10: tensor<f32>, %r11: tensor<f32>):
"stablehlo.return"(%r11) : (tensor<f32>) -> ()
}) : (tensor<3xf32>, tensor<1x1xi32>, tensor<1xf32>) -> (tensor<3xf32>)
%v29 = "stablehlo.scatter"(%v12, %a26, %c8) <{scatter_dimension_numbers = #stablehlo.scatter<update_window_dims = [], inserted_window_dims = [0], scatter_dims_to_operand_dims = [0], index_vector_dim = 1>, indices_are_sorted = false, unique_indices = false}> ({
^bb0(%r27: tensor<f32>, %r28: tensor<f32>):
"stablehlo.return"(%r28) : (tensor<f32>) -> ()
}) : (tensor<3xf32>, tensor<1x1xi32>, tensor<1xf32>) -> (tensor<3xf32>)
"func.return"(%v29) : (tensor<3xf32>) -> ()
}
