// neuronc opt --passes simplify,match-activation
// GELU with its factors in another order, and constants rounded to bf16; SiLU and the logistic function written out; GELU in the sigmoid form; GELU by erf, widened before and narrowed after.
func.func @main(%x: tensor<16x64xbf16>, %y: tensor<16x64xf32>) -> (tensor<16x64xbf16>, tensor<16x64xf32>, tensor<16x64xf32>, tensor<16x64xf32>, tensor<16x64xbf16>) {
  %half = stablehlo.constant dense<0.5> : tensor<16x64xbf16>
  %a = stablehlo.constant dense<0.796875> : tensor<16x64xbf16>
  %b = stablehlo.constant dense<0.0446777344> : tensor<16x64xbf16>
  %one = stablehlo.constant dense<1.0> : tensor<16x64xbf16>
  %0 = stablehlo.multiply %x, %x : tensor<16x64xbf16>
  %1 = stablehlo.multiply %0, %b : tensor<16x64xbf16>
  %2 = stablehlo.add %one, %1 : tensor<16x64xbf16>
  %3 = stablehlo.multiply %x, %2 : tensor<16x64xbf16>
  %4 = stablehlo.multiply %3, %a : tensor<16x64xbf16>
  %5 = stablehlo.tanh %4 : tensor<16x64xbf16>
  %6 = stablehlo.add %5, %one : tensor<16x64xbf16>
  %7 = stablehlo.multiply %6, %half : tensor<16x64xbf16>
  %8 = stablehlo.multiply %7, %x : tensor<16x64xbf16>
  %ones = stablehlo.constant dense<1.0> : tensor<16x64xf32>
  %10 = stablehlo.negate %y : tensor<16x64xf32>
  %11 = stablehlo.exponential %10 : tensor<16x64xf32>
  %12 = stablehlo.add %11, %ones : tensor<16x64xf32>
  %13 = stablehlo.divide %y, %12 : tensor<16x64xf32>
  %20 = stablehlo.negate %13 : tensor<16x64xf32>
  %21 = stablehlo.exponential %20 : tensor<16x64xf32>
  %22 = stablehlo.add %ones, %21 : tensor<16x64xf32>
  %23 = stablehlo.divide %ones, %22 : tensor<16x64xf32>
  %c = stablehlo.constant dense<1.702> : tensor<16x64xf32>
  %30 = stablehlo.multiply %c, %y : tensor<16x64xf32>
  %31 = stablehlo.logistic %30 : tensor<16x64xf32>
  %32 = stablehlo.multiply %y, %31 : tensor<16x64xf32>
  %halves = stablehlo.constant dense<0.5> : tensor<16x64xf32>
  %d = stablehlo.constant dense<0.707106769> : tensor<16x64xf32>
  %40 = stablehlo.convert %x : (tensor<16x64xbf16>) -> tensor<16x64xf32>
  %41 = stablehlo.multiply %40, %d : tensor<16x64xf32>
  %42 = chlo.erf %41 : tensor<16x64xf32> -> tensor<16x64xf32>
  %43 = stablehlo.add %42, %ones : tensor<16x64xf32>
  %44 = stablehlo.multiply %40, %halves : tensor<16x64xf32>
  %45 = stablehlo.multiply %43, %44 : tensor<16x64xf32>
  %46 = stablehlo.convert %45 : (tensor<16x64xf32>) -> tensor<16x64xbf16>
  return %8, %13, %23, %32, %46 : tensor<16x64xbf16>, tensor<16x64xf32>, tensor<16x64xf32>, tensor<16x64xf32>, tensor<16x64xbf16>
}
