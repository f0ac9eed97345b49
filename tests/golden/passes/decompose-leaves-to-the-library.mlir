// neuronc opt --passes decompose
// No engine multiplies float64, and a window of 2000 would be read 2000 times: both stay.
func.func @main(%x: tensor<1x1x8xf64>, %w: tensor<1x1x3xf64>, %y: tensor<2000xf32>) -> (tensor<1x1x6xf64>, tensor<2000xf32>) {
  %zero = stablehlo.constant dense<0.000000e+00> : tensor<f32>
  %0 = stablehlo.convolution(%x, %w) dim_numbers = [b, f, 0]x[o, i, 0]->[b, f, 0], window = {} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<1x1x8xf64>, tensor<1x1x3xf64>) -> tensor<1x1x6xf64>
  %1 = "stablehlo.reduce_window"(%y, %zero) <{padding = dense<[[1999, 0]]> : tensor<1x2xi64>, window_dimensions = array<i64: 2000>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %2 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %2 : tensor<f32>
  }) : (tensor<2000xf32>, tensor<f32>) -> tensor<2000xf32>
  return %0, %1 : tensor<1x1x6xf64>, tensor<2000xf32>
}
