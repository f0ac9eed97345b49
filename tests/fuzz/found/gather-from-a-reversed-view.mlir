// a gather from a reversed value took its negative offsets for skipped rows, and moved nothing
// (found as a plain gather; with batching dimensions and as a dynamic slice it was as wrong)
// %a1: small
// %a2: index 2
// %a3: index 2
func.func @main(%a1: tensor<3x3x2xf32>, %a2: tensor<3x1xi32>, %a3: tensor<i32>) -> (tensor<3x3x2xf32>, tensor<3x2xf32>, tensor<2x1x2xf32>) {
%v1 = "stablehlo.reverse"(%a1) <{dimensions = array<i64: 0, 1>}> : (tensor<3x3x2xf32>) -> (tensor<3x3x2xf32>)
%v2 = "stablehlo.gather"(%v1, %a2) <{dimension_numbers = #stablehlo.gather<offset_dims = [1, 2], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, indices_are_sorted = false, slice_sizes = array<i64: 1, 3, 2>}> : (tensor<3x3x2xf32>, tensor<3x1xi32>) -> (tensor<3x3x2xf32>)
%v3 = "stablehlo.gather"(%v1, %a2) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [1], operand_batching_dims = [0], start_indices_batching_dims = [0], start_index_map = [1], index_vector_dim = 1>, indices_are_sorted = false, slice_sizes = array<i64: 1, 1, 2>}> : (tensor<3x3x2xf32>, tensor<3x1xi32>) -> (tensor<3x2xf32>)
%v4 = "stablehlo.dynamic_slice"(%v1, %a3, %a3, %a3) <{slice_sizes = array<i64: 2, 1, 2>}> : (tensor<3x3x2xf32>, tensor<i32>, tensor<i32>, tensor<i32>) -> (tensor<2x1x2xf32>)
"func.return"(%v2, %v3, %v4) : (tensor<3x3x2xf32>, tensor<3x2xf32>, tensor<2x1x2xf32>) -> ()
}
