// neuronc opt --passes simplify,fuse
// A norm over columns, then one over rows: the second reads in rows what the first makes in columns, so two kernels.
func.func @main(%arg0: tensor<16x32xf32>) -> (tensor<16x32xf32>) {
  %0 = stablehlo.multiply %arg0, %arg0 : tensor<16x32xf32>
  %cst = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %1 = stablehlo.reduce(%0 init: %cst) applies stablehlo.add across dimensions = [0] : (tensor<16x32xf32>, tensor<f32>) -> tensor<32xf32>
  %2 = stablehlo.broadcast_in_dim %1, dims = [1] : (tensor<32xf32>) -> tensor<1x32xf32>
  %cst_0 = stablehlo.constant dense<1.600000e+01> : tensor<f32>
  %3 = stablehlo.broadcast_in_dim %cst_0, dims = [] : (tensor<f32>) -> tensor<1x32xf32>
  %4 = stablehlo.divide %2, %3 : tensor<1x32xf32>
  %cst_1 = stablehlo.constant dense<9.99999997E-7> : tensor<f32>
  %5 = stablehlo.broadcast_in_dim %cst_1, dims = [] : (tensor<f32>) -> tensor<1x32xf32>
  %6 = stablehlo.add %4, %5 : tensor<1x32xf32>
  %7 = stablehlo.rsqrt %6 : tensor<1x32xf32>
  %8 = stablehlo.broadcast_in_dim %7, dims = [0, 1] : (tensor<1x32xf32>) -> tensor<16x32xf32>
  %9 = stablehlo.multiply %arg0, %8 : tensor<16x32xf32>
  %10 = stablehlo.multiply %9, %9 : tensor<16x32xf32>
  %cst_2 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %11 = stablehlo.reduce(%10 init: %cst_2) applies stablehlo.add across dimensions = [1] : (tensor<16x32xf32>, tensor<f32>) -> tensor<16xf32>
  %12 = stablehlo.broadcast_in_dim %11, dims = [0] : (tensor<16xf32>) -> tensor<16x1xf32>
  %cst_3 = stablehlo.constant dense<3.200000e+01> : tensor<f32>
  %13 = stablehlo.broadcast_in_dim %cst_3, dims = [] : (tensor<f32>) -> tensor<16x1xf32>
  %14 = stablehlo.divide %12, %13 : tensor<16x1xf32>
  %cst_4 = stablehlo.constant dense<9.99999997E-7> : tensor<f32>
  %15 = stablehlo.broadcast_in_dim %cst_4, dims = [] : (tensor<f32>) -> tensor<16x1xf32>
  %16 = stablehlo.add %14, %15 : tensor<16x1xf32>
  %17 = stablehlo.rsqrt %16 : tensor<16x1xf32>
  %18 = stablehlo.broadcast_in_dim %17, dims = [0, 1] : (tensor<16x1xf32>) -> tensor<16x32xf32>
  %19 = stablehlo.multiply %9, %18 : tensor<16x32xf32>
  return %19 : tensor<16x32xf32>
}
