// neuronc opt --passes decompose,materialize,fuse,outline,tile-kernels
// Windows are reduced from what they cover, loaded in long runs; those of 3 dimensions, whose access has too many, one by one.
func.func @main(%x: tensor<2x64x58x58xf32>, %z: tensor<2x64x6x6x6xf32>) -> (tensor<2x64x28x28xf32>, tensor<2x64x2x2x2xf32>) {
  %least = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %0 = "stablehlo.reduce_window"(%x, %least) <{window_dimensions = array<i64: 1, 1, 3, 3>, window_strides = array<i64: 1, 1, 2, 2>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %m = stablehlo.maximum %a, %b : tensor<f32>
    stablehlo.return %m : tensor<f32>
  }) : (tensor<2x64x58x58xf32>, tensor<f32>) -> tensor<2x64x28x28xf32>
  %1 = "stablehlo.reduce_window"(%z, %least) <{window_dimensions = array<i64: 1, 1, 3, 3, 3>, window_strides = array<i64: 1, 1, 2, 2, 2>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %m = stablehlo.maximum %a, %b : tensor<f32>
    stablehlo.return %m : tensor<f32>
  }) : (tensor<2x64x6x6x6xf32>, tensor<f32>) -> tensor<2x64x2x2x2xf32>
  return %0, %1 : tensor<2x64x28x28xf32>, tensor<2x64x2x2x2xf32>
}
