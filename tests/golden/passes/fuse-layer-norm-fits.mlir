// neuronc opt --passes simplify,fuse --target small
// Twelve values as wide as a row and five that are one number of it: a row may have 12 columns on this chip.
func.func @main(%arg0: tensor<16x12xbf16>, %arg1: tensor<16x12xbf16>, %arg2: tensor<12xf32>, %arg3: tensor<12xf32>) -> (tensor<16x12xbf16>) {
  %0 = stablehlo.add %arg0, %arg1 : tensor<16x12xbf16>
  %1 = stablehlo.convert %0 : (tensor<16x12xbf16>) -> tensor<16x12xf32>
  %cst = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %2 = stablehlo.reduce(%1 init: %cst) applies stablehlo.add across dimensions = [1] : (tensor<16x12xf32>, tensor<f32>) -> tensor<16xf32>
  %3 = stablehlo.broadcast_in_dim %2, dims = [0] : (tensor<16xf32>) -> tensor<16x1xf32>
  %cst_0 = stablehlo.constant dense<3.200000e+01> : tensor<f32>
  %4 = stablehlo.broadcast_in_dim %cst_0, dims = [] : (tensor<f32>) -> tensor<16x1xf32>
  %5 = stablehlo.divide %3, %4 : tensor<16x1xf32>
  %6 = stablehlo.broadcast_in_dim %5, dims = [0, 1] : (tensor<16x1xf32>) -> tensor<16x12xf32>
  %7 = stablehlo.subtract %1, %6 : tensor<16x12xf32>
  %8 = stablehlo.multiply %7, %7 : tensor<16x12xf32>
  %cst_1 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %9 = stablehlo.reduce(%8 init: %cst_1) applies stablehlo.add across dimensions = [1] : (tensor<16x12xf32>, tensor<f32>) -> tensor<16xf32>
  %10 = stablehlo.broadcast_in_dim %9, dims = [0] : (tensor<16xf32>) -> tensor<16x1xf32>
  %cst_2 = stablehlo.constant dense<3.200000e+01> : tensor<f32>
  %11 = stablehlo.broadcast_in_dim %cst_2, dims = [] : (tensor<f32>) -> tensor<16x1xf32>
  %12 = stablehlo.divide %10, %11 : tensor<16x1xf32>
  %cst_3 = stablehlo.constant dense<9.99999974E-6> : tensor<f32>
  %13 = stablehlo.broadcast_in_dim %cst_3, dims = [] : (tensor<f32>) -> tensor<16x1xf32>
  %14 = stablehlo.add %12, %13 : tensor<16x1xf32>
  %15 = stablehlo.rsqrt %14 : tensor<16x1xf32>
  %16 = stablehlo.broadcast_in_dim %15, dims = [0, 1] : (tensor<16x1xf32>) -> tensor<16x12xf32>
  %17 = stablehlo.multiply %7, %16 : tensor<16x12xf32>
  %18 = stablehlo.broadcast_in_dim %arg2, dims = [1] : (tensor<12xf32>) -> tensor<1x12xf32>
  %19 = stablehlo.broadcast_in_dim %18, dims = [0, 1] : (tensor<1x12xf32>) -> tensor<16x12xf32>
  %20 = stablehlo.multiply %17, %19 : tensor<16x12xf32>
  %21 = stablehlo.broadcast_in_dim %arg3, dims = [1] : (tensor<12xf32>) -> tensor<1x12xf32>
  %22 = stablehlo.broadcast_in_dim %21, dims = [0, 1] : (tensor<1x12xf32>) -> tensor<16x12xf32>
  %23 = stablehlo.add %20, %22 : tensor<16x12xf32>
  %24 = stablehlo.convert %23 : (tensor<16x12xf32>) -> tensor<16x12xbf16>
  return %24 : tensor<16x12xbf16>
}
