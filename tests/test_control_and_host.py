"""Control flow inside control flow, judged by XLA; and what talks to others, which is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from neuronc.artifact.container import read, to_bytes
from neuronc.errors import NeuroncError
from neuronc.pipeline import compile_artifact
from neuronc.runtime.program import Program
from tests.fuzz.oracle import compile_program

NESTED = """
func.func @main(%n: tensor<i32>, %x: tensor<4xf32>, %y: tensor<4xf32>)
    -> (tensor<i32>, tensor<4xf32>, tensor<4xf32>) {
  %one = stablehlo.constant dense<1> : tensor<i32>
  %two = stablehlo.constant dense<2> : tensor<i32>
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %outer = stablehlo.multiply %y, %y : tensor<4xf32>
  %r:3 = stablehlo.while(%i = %zero, %a = %x, %b = %y)
      : tensor<i32>, tensor<4xf32>, tensor<4xf32>
  cond {
    %c = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %c : tensor<i1>
  } do {
    %odd = stablehlo.remainder %i, %two : tensor<i32>
    %branch = stablehlo.remainder %i, %n : tensor<i32>
    %is_odd = stablehlo.compare EQ, %odd, %one : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %s:2 = "stablehlo.if"(%is_odd) ({
      %k:2 = "stablehlo.case"(%branch) ({
        stablehlo.return %a, %outer : tensor<4xf32>, tensor<4xf32>
      }, {
        %w:2 = stablehlo.while(%j = %zero, %v = %a) : tensor<i32>, tensor<4xf32>
        cond {
          %c = stablehlo.compare LE, %j, %i : (tensor<i32>, tensor<i32>) -> tensor<i1>
          stablehlo.return %c : tensor<i1>
        } do {
          %next = stablehlo.add %j, %one : tensor<i32>
          %sum = stablehlo.add %v, %outer : tensor<4xf32>
          stablehlo.return %next, %sum : tensor<i32>, tensor<4xf32>
        }
        stablehlo.return %w#1, %b : tensor<4xf32>, tensor<4xf32>
      }, {
        %d = stablehlo.subtract %a, %b : tensor<4xf32>
        stablehlo.return %d, %x : tensor<4xf32>, tensor<4xf32>
      }) : (tensor<i32>) -> (tensor<4xf32>, tensor<4xf32>)
      stablehlo.return %k#1, %k#0 : tensor<4xf32>, tensor<4xf32>
    }, {
      %m = stablehlo.maximum %a, %outer : tensor<4xf32>
      stablehlo.return %m, %a : tensor<4xf32>, tensor<4xf32>
    }) : (tensor<i1>) -> (tensor<4xf32>, tensor<4xf32>)
    %i2 = stablehlo.add %i, %one : tensor<i32>
    stablehlo.return %i2, %s#0, %s#1 : tensor<i32>, tensor<4xf32>, tensor<4xf32>
  }
  return %r#0, %r#1, %r#2 : tensor<i32>, tensor<4xf32>, tensor<4xf32>
}
"""


@pytest.mark.parametrize("count", [0, 1, 2, 3, 6])
def test_a_loop_in_a_case_in_an_if_in_a_loop(count: int) -> None:
    """Every level reads values from outside, and the branches exchange what they return."""
    x, y = np.array([1, -2, 3, 0.5], np.float32), np.array([-1, 2, 0.5, 4], np.float32)
    inputs = [np.array(count, np.int32), x, y]
    got = Program(read(to_bytes(compile_artifact(NESTED))))(*inputs)
    for g, w in zip(got, compile_program(NESTED)(inputs), strict=True):
        np.testing.assert_array_equal(g, w)


TUPLES_IN_A_LOOP = """
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %one = stablehlo.constant dense<1> : tensor<i32>
  %three = stablehlo.constant dense<3> : tensor<i32>
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %r:2 = stablehlo.while(%i = %zero, %a = %x) : tensor<i32>, tensor<4xf32>
  cond {
    %t = stablehlo.tuple %i, %three : tuple<tensor<i32>, tensor<i32>>
    %p = stablehlo.get_tuple_element %t[0] : (tuple<tensor<i32>, tensor<i32>>) -> tensor<i32>
    %q = stablehlo.get_tuple_element %t[1] : (tuple<tensor<i32>, tensor<i32>>) -> tensor<i32>
    %c = stablehlo.compare LT, %p, %q : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %c : tensor<i1>
  } do {
    %j = stablehlo.add %i, %one : tensor<i32>
    %b = stablehlo.add %a, %x : tensor<4xf32>
    %t = stablehlo.tuple %b, %j : tuple<tensor<4xf32>, tensor<i32>>
    %p = stablehlo.get_tuple_element %t[0] : (tuple<tensor<4xf32>, tensor<i32>>) -> tensor<4xf32>
    %q = stablehlo.get_tuple_element %t[1] : (tuple<tensor<4xf32>, tensor<i32>>) -> tensor<i32>
    stablehlo.return %q, %p : tensor<i32>, tensor<4xf32>
  }
  return %r#1 : tensor<4xf32>
}
"""


def test_tuples_inside_a_loop() -> None:
    x = np.arange(4, dtype=np.float32)
    (got,) = Program(read(to_bytes(compile_artifact(TUPLES_IN_A_LOOP))))(x)
    np.testing.assert_array_equal(got, 4 * x)


TOKEN = "%t = stablehlo.create_token : !stablehlo.token\n"
CHANNEL = "is_host_transfer = true, channel_handle = #stablehlo.channel_handle<handle = 1, type ="
RESULT = "(tensor<4xf32>, !stablehlo.token)"
TALKS = {
    "infeed": f'{TOKEN}%0:2 = "stablehlo.infeed"(%t) <{{infeed_config = ""}}> : '
    f"(!stablehlo.token) -> {RESULT}",
    "outfeed": f'{TOKEN}%0 = "stablehlo.outfeed"(%x, %t) <{{outfeed_config = ""}}> : '
    f"{RESULT} -> !stablehlo.token",
    "send": f'{TOKEN}%0 = "stablehlo.send"(%x, %t) <{{{CHANNEL} 2>}}> : '
    f"{RESULT} -> !stablehlo.token",
    "recv": f'{TOKEN}%0:2 = "stablehlo.recv"(%t) <{{{CHANNEL} 3>}}> : '
    f"(!stablehlo.token) -> {RESULT}",
}


@pytest.mark.parametrize("op", TALKS)
def test_what_talks_to_the_host_is_refused(op: str) -> None:
    text = f"func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {{\n{TALKS[op]}\n"
    text += "return %x : tensor<4xf32>\n}\n"
    with pytest.raises(NeuroncError) as caught:
        compile_artifact(text)
    assert caught.value.code == "NRC-0202"
    assert f"stablehlo.{op}" in str(caught.value)


TWO = "replica_groups = dense<[[0, 1]]> : tensor<1x2xi64>"
FOLD = (
    "({\n^bb0(%p: tensor<f32>, %q: tensor<f32>):\n%s = stablehlo.add %p, %q : tensor<f32>\n"
    "stablehlo.return %s : tensor<f32>\n})"
)
OF_TWO = {
    "all_reduce": (TWO, FOLD, "4"),
    "all_gather": (f"{TWO}, all_gather_dim = 0 : i64", "", "8"),
    "reduce_scatter": (f"{TWO}, scatter_dimension = 0 : i64", FOLD, "2"),
    "all_to_all": (
        f"{TWO}, split_dimension = 0 : i64, concat_dimension = 0 : i64, split_count = 2 : i64",
        "", "4",
    ),
    "collective_broadcast": (TWO, "", "4"),
    "collective_permute": ("source_target_pairs = dense<[[0, 1]]> : tensor<1x2xi64>", "", "4"),
}  # fmt: skip


@pytest.mark.parametrize("op", OF_TWO)
def test_a_collective_of_two_is_refused(op: str) -> None:
    """It parses and verifies, and there is nobody to exchange data with."""
    attributes, region, size = OF_TWO[op]
    result = f"tensor<{size}xf32>"
    text = (
        f"func.func @main(%x: tensor<4xf32>) -> {result} {{\n"
        f'%0 = "stablehlo.{op}"(%x) <{{{attributes}}}> {region} : (tensor<4xf32>) -> {result}\n'
        f"return %0 : {result}\n}}\n"
    )
    with pytest.raises(NeuroncError) as caught:
        compile_artifact(text)
    assert caught.value.code == "NRC-0213"
