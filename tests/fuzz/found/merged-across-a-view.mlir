// two kernels were merged although one reads the other's value reversed
// %a1: small
func.func @main(%a1: tensor<3x1xf32>) -> (tensor<1xi32>) {
%v2 = "stablehlo.add"(%a1, %a1) : (tensor<3x1xf32>, tensor<3x1xf32>) -> (tensor<3x1xf32>)
%v5 = "stablehlo.reverse"(%v2) <{dimensions = array<i64: 0>}> : (tensor<3x1xf32>) -> (tensor<3x1xf32>)
%v6 = "stablehlo.add"(%v5, %v5) : (tensor<3x1xf32>, tensor<3x1xf32>) -> (tensor<3x1xf32>)
%v7 = "stablehlo.add"(%v6, %v5) : (tensor<3x1xf32>, tensor<3x1xf32>) -> (tensor<3x1xf32>)
%v8 = "stablehlo.add"(%v7, %v7) : (tensor<3x1xf32>, tensor<3x1xf32>) -> (tensor<3x1xf32>)
%v9 = "stablehlo.add"(%v8, %v8) : (tensor<3x1xf32>, tensor<3x1xf32>) -> (tensor<3x1xf32>)
%v10 = "stablehlo.iota"() <{iota_dimension = 0 : i64}> : () -> (tensor<3x1xi32>)
%c11 = stablehlo.constant dense<0xFF800000> : tensor<f32>
%c12 = stablehlo.constant dense<0> : tensor<i32>
%v25:2 = "stablehlo.reduce"(%v9, %v10, %c11, %c12) <{dimensions = array<i64: 0>}> ({
^bb0(%m13: tensor<f32>, %m14: tensor<i32>, %m15: tensor<f32>, %m16: tensor<i32>):
%m17 = "stablehlo.compare"(%m13, %m15) <{comparison_direction = #stablehlo<comparison_direction GT>, compare_type = #stablehlo<comparison_type FLOAT>}> : (tensor<f32>, tensor<f32>) -> tensor<i1>
%m18 = "stablehlo.compare"(%m13, %m13) <{comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>}> : (tensor<f32>, tensor<f32>) -> tensor<i1>
%m19 = stablehlo.or %m17, %m18 : tensor<i1>
%m20 = "stablehlo.compare"(%m13, %m15) <{comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>}> : (tensor<f32>, tensor<f32>) -> tensor<i1>
%m21 = "stablehlo.compare"(%m14, %m16) <{comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>}> : (tensor<i32>, tensor<i32>) -> tensor<i1>
%m22 = stablehlo.and %m20, %m21 : tensor<i1>
%m23 = stablehlo.or %m19, %m22 : tensor<i1>
%m13s = stablehlo.select %m19, %m13, %m15 : tensor<i1>, tensor<f32>
%m13t = stablehlo.select %m23, %m14, %m16 : tensor<i1>, tensor<i32>
"stablehlo.return"(%m13s, %m13t) : (tensor<f32>, tensor<i32>) -> ()
}) : (tensor<3x1xf32>, tensor<3x1xi32>, tensor<f32>, tensor<i32>) -> (tensor<1xf32>, tensor<1xi32>)
"func.return"(%v25#1) : (tensor<1xi32>) -> ()
}
