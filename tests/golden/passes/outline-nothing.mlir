// neuronc opt --passes fuse,outline
// A program that only passes its arguments on has no kernel.
func.func @main(%x: tensor<8xf32>, %y: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  return %y, %x : tensor<8xf32>, tensor<8xf32>
}
