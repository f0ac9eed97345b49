"""Every dynamic operation alone: of constants, of a size that a user gives, of one nobody gives.

A program names its extents in braces. With numbers for them the operation is static but for its
spelling; with `?` its sizes follow from `get_dimension_size` of the argument. NumPy is the judge;
`tests/test_polymorphic.py` has JAX's own refinement.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export, lax

import neuronc
from neuronc.errors import InputError, UnsupportedError
from neuronc.frontend.shapes import DYNAMIC_OPS

Law = Callable[[np.ndarray], object]


@dataclass(frozen=True)
class Sample:
    """`body` makes %r of %x and of %n, the size of a dimension of it as tensor<1xi32>."""

    body: str
    result: str
    extents: dict[str, int]
    """Numbers for the names in braces other than n."""
    law: Law
    argument: str = "{n}x4"
    dimension: int = 0
    """Which dimension of the argument is n."""


def ints(name: str, *numbers: int) -> str:
    return f"%{name} = stablehlo.constant dense<{list(numbers)}> : tensor<{len(numbers)}xi32>\n"


def joined(name: str, *parts: str) -> str:
    """A vector of sizes from vectors of one."""
    types = ", ".join(["tensor<1xi32>"] * len(parts))
    listed = ", ".join(f"%{part}" for part in parts)
    return (
        f"%{name} = stablehlo.concatenate {listed}, dim = 0 : "
        f"({types}) -> tensor<{len(parts)}xi32>\n"
    )


X = "tensor<{n}x4xf32>"
ZERO = "%z = stablehlo.constant dense<0.0> : tensor<f32>\n"
SAMPLES: dict[str, Sample] = {
    "dynamic_reshape": Sample(
        ints("four", 4)
        + "%s = stablehlo.multiply %n, %four : tensor<1xi32>\n"
        + f"%r = stablehlo.dynamic_reshape %x, %s : ({X}, tensor<1xi32>) -> tensor<{{m}}xf32>",
        "{m}xf32",
        {"m": 20},
        lambda x: x.reshape(-1),
    ),
    "dynamic_broadcast_in_dim": Sample(
        ints("four", 4)
        + joined("s", "n", "n", "four")
        + "%r = stablehlo.dynamic_broadcast_in_dim %x, %s, dims = [1, 2] : "
        + f"({X}, tensor<3xi32>) -> tensor<{{n}}x{{n}}x4xf32>",
        "{n}x{n}x4xf32",
        {},
        lambda x: np.broadcast_to(x, (len(x), *x.shape)),
    ),
    "dynamic_iota": Sample(
        ints("three", 3)
        + joined("s", "n", "three")
        + "%r = stablehlo.dynamic_iota %s, dim = 0 : (tensor<2xi32>) -> tensor<{n}x3xi32>",
        "{n}x3xi32",
        {},
        lambda x: np.indices((len(x), 3), np.int32)[0],
    ),
    "dynamic_gather": Sample(
        ints("one", 1)
        + joined("s", "n", "one")
        + "%i = stablehlo.constant dense<[[2], [0], [3]]> : tensor<3x1xi32>\n"
        + '%r = "stablehlo.dynamic_gather"(%x, %i, %s) <{dimension_numbers = '
        + "#stablehlo.gather<offset_dims = [0], collapsed_slice_dims = [1], "
        + "start_index_map = [1], index_vector_dim = 1>}> : "
        + f"({X}, tensor<3x1xi32>, tensor<2xi32>) -> tensor<{{n}}x3xf32>",
        "{n}x3xf32",
        {},
        lambda x: x[:, [2, 0, 3]],
    ),
    "dynamic_pad": Sample(
        ZERO
        + ints("one", 1)
        + joined("l", "one", "n")
        + ints("h", 0, -1)
        + ints("i", 1, 0)
        + "%r = stablehlo.dynamic_pad %x, %z, %l, %h, %i : "
        + f"({X}, tensor<f32>, tensor<2xi32>, tensor<2xi32>, tensor<2xi32>) -> "
        + "tensor<{m}x{k}xf32>",
        "{m}x{k}xf32",
        {"m": 10, "k": 8},
        lambda x: lax.pad(x, np.float32(0), ((1, 0, 1), (len(x), -1, 0))),
    ),
    "dynamic_conv": Sample(
        "%w = stablehlo.constant dense<0.5> : tensor<3x4x2xf32>\n"
        + ints("one", 1)
        + joined("l", "n", "one")
        + "%p = stablehlo.reshape %l : (tensor<2xi32>) -> tensor<1x2xi32>\n"
        + '%r = "stablehlo.dynamic_conv"(%x, %w, %p) <{batch_group_count = 1 : i64, '
        + "dimension_numbers = #stablehlo.conv<[b, 0, f]x[0, i, o]->[b, 0, f]>, "
        + "feature_group_count = 1 : i64, window_strides = array<i64: 2>}> : "
        + "(tensor<1x{n}x4xf32>, tensor<3x4x2xf32>, tensor<1x2xi32>) -> tensor<1x{m}x2xf32>",
        "1x{m}x2xf32",
        {"m": 5},
        lambda x: lax.conv_general_dilated(
            x,
            np.full((3, 4, 2), 0.5, np.float32),
            (2,),
            [(x.shape[1], 1)],
            dimension_numbers=("NHC", "HIO", "NHC"),
        ),
        "1x{n}x4",
        1,
    ),
    "real_dynamic_slice": Sample(
        ints("four", 4)
        + ints("b", 1, 0)
        + joined("e", "n", "four")
        + ints("t", 2, 1)
        + '%r = "stablehlo.real_dynamic_slice"(%x, %b, %e, %t) : '
        + f"({X}, tensor<2xi32>, tensor<2xi32>, tensor<2xi32>) -> tensor<{{m}}x4xf32>",
        "{m}x4xf32",
        {"m": 2},
        lambda x: x[1::2],
    ),
    "get_dimension_size": Sample(
        f"%r = stablehlo.get_dimension_size %x, dim = 0 : ({X}) -> tensor<i32>",
        "i32",
        {},
        lambda x: np.int32(len(x)),
    ),
    "set_dimension_size": Sample(
        "%k = stablehlo.reshape %n : (tensor<1xi32>) -> tensor<i32>\n"
        f"%r = stablehlo.set_dimension_size %x, %k, dim = 0 : ({X}, tensor<i32>) -> {X}",
        "{n}x4xf32",
        {},
        lambda x: x,
    ),
    "dynamic_slice": Sample(
        "%i = stablehlo.constant dense<9> : tensor<i32>\n"
        "%r = stablehlo.dynamic_slice %x, %i, %i, sizes = [2, 3] : "
        f"({X}, tensor<i32>, tensor<i32>) -> tensor<2x3xf32>",
        "2x3xf32",
        {},
        lambda x: x[-2:, 1:],
    ),
    "dynamic_update_slice": Sample(
        "%u = stablehlo.constant dense<7.0> : tensor<1x2xf32>\n"
        "%i = stablehlo.constant dense<2> : tensor<i32>\n"
        "%r = stablehlo.dynamic_update_slice %x, %u, %i, %i : "
        f"({X}, tensor<1x2xf32>, tensor<i32>, tensor<i32>) -> {X}",
        "{n}x4xf32",
        {},
        lambda x: np.where((np.arange(len(x)) == 2)[:, None] & (np.arange(4) >= 2), 7, x),
    ),
    "shape_assertion": Sample(
        "%five = stablehlo.constant dense<5> : tensor<1xi32>\n"
        "%c = stablehlo.compare EQ, %n, %five : (tensor<1xi32>, tensor<1xi32>) -> tensor<1xi1>\n"
        "%d = stablehlo.reshape %c : (tensor<1xi1>) -> tensor<i1>\n"
        '"stablehlo.custom_call"(%d) <{call_target_name = "shape_assertion", has_side_effect = '
        'true}> {error_message = "five rows are expected"} : (tensor<i1>) -> ()\n'
        f"%r = stablehlo.add %x, %x : {X}",
        "{n}x4xf32",
        {},
        lambda x: x + x,
    ),
    "shape_refinement_operand_wrapper": Sample(
        ints("s", 5, 4)
        + "%r = stablehlo.custom_call @stablehlo.shape_refinement_operand_wrapper(%x, %s) "
        + "{indices_of_shape_operands = dense<1> : tensor<1xi64>} : "
        + f"({X}, tensor<2xi32>) -> {X}",
        "{n}x4xf32",
        {},
        lambda x: x,
    ),
    "dynamic_top_k": Sample(
        "%t = stablehlo.transpose %x, dims = [1, 0] : (tensor<{n}x4xf32>) -> tensor<4x{n}xf32>\n"
        "%one = stablehlo.constant dense<1> : tensor<1xi32>\n"
        "%m = stablehlo.subtract %n, %one : tensor<1xi32>\n"
        "%k = stablehlo.reshape %m : (tensor<1xi32>) -> tensor<i32>\n"
        "%r, %i = stablehlo.custom_call @stablehlo.dynamic_top_k(%t, %k) "
        "{indices_of_shape_operands = dense<[0, 1]> : tensor<2xi64>} : "
        "(tensor<4x{n}xf32>, tensor<i32>) -> (tensor<4x{m}xf32>, tensor<4x{m}xi32>)",
        "4x{m}xf32",
        {"m": 4},
        lambda x: -np.sort(-x.T)[:, :-1],
    ),
}


def program(sample: Sample, extents: dict[str, int] | None) -> str:
    """The text with these extents, or with none."""
    argument = f"tensor<{sample.argument}xf32>"
    text = (
        f"func.func @main(%x: {argument}) -> tensor<{sample.result}> {{\n"
        f"%s0 = stablehlo.get_dimension_size %x, dim = {sample.dimension} : "
        f"({argument}) -> tensor<i32>\n"
        "%n = stablehlo.reshape %s0 : (tensor<i32>) -> tensor<1xi32>\n"
        f"{sample.body}\nreturn %r : tensor<{sample.result}>\n}}"
    )
    return re.sub(r"\{(\w)\}", lambda m: str(extents[m[1]]) if extents else "?", text)


def argument(sample: Sample, rows: int) -> np.ndarray:
    shape = [int(n) for n in sample.argument.replace("{n}", str(rows)).split("x")]
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


def test_every_dynamic_operation_has_a_sample() -> None:
    assert {name.removeprefix("stablehlo.") for name in DYNAMIC_OPS} <= set(SAMPLES)


def agrees(text: str, sample: Sample, **options: dict[str, tuple[int, ...]]) -> None:
    x = argument(sample, 5)
    (found,) = neuronc.load(bytes(neuronc.compile(text, **options)))(x)
    expected = np.asarray(sample.law(x))
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    # At most 12 products of numbers around 1 are summed, in the convolution.
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


WRAPPER = "shape_refinement_operand_wrapper"
"""It is written only around what is not static."""


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {WRAPPER}))
def test_of_constants(name: str) -> None:
    sample = SAMPLES[name]
    agrees(program(sample, {"n": 5} | sample.extents), sample)


@pytest.mark.parametrize("name", SAMPLES)
def test_of_a_size_that_is_given(name: str) -> None:
    sample = SAMPLES[name]
    agrees(program(sample, None), sample, shapes={"arg0": argument(sample, 5).shape})


@pytest.mark.parametrize("name", SAMPLES)
def test_of_a_size_that_nobody_gives(name: str) -> None:
    sample = SAMPLES[name]
    with pytest.raises(UnsupportedError) as caught:
        neuronc.compile(program(sample, None), name="p.mlir")
    shape = sample.argument.replace("{n}", "?").replace("x", ", ")
    assert str(caught.value) == (
        f"p.mlir: error: NRC-0206: dynamic shapes need values: f32[{shape}] of argument 0\n"
        "  hint: give values: --shape arg0=4x128 for each"
    )


def test_a_shape_assertion_that_fails_says_why() -> None:
    with pytest.raises(InputError, match="NRC-0111: five rows are expected"):
        neuronc.compile(program(SAMPLES["shape_assertion"], None), shapes={"arg0": (6, 4)})


def test_a_size_from_data_is_refused() -> None:
    """The extent would be known only during the run."""
    text = """func.func @main(%x: tensor<8xf32>, %n: tensor<1xi32>) -> tensor<?xf32> {
  %0 = stablehlo.dynamic_broadcast_in_dim %x, %n, dims = [0]
    : (tensor<8xf32>, tensor<1xi32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}"""
    with pytest.raises(UnsupportedError, match="NRC-0207"):
        neuronc.compile(text)


CALLS = {
    "stablehlo.dynamic_reduce_window": lambda x: lax.reduce_window(
        x, 0.0, lax.add, (x.shape[0],), (1,), "SAME"
    ),
    "stablehlo.dynamic_top_k": lambda x: lax.top_k(x, x.shape[0] - 1),
    "stablehlo.dynamic_rng_bit_generator": lambda x: (
        x + jax.random.uniform(jax.random.key(0, impl="rbg"), x.shape)
    ),
    "stablehlo.dynamic_approx_top_k": lambda x: lax.approx_max_k(x, x.shape[0] - 1),
    "ApproxTopK": lambda x: lax.approx_min_k(jnp.outer(x, x), 2, reduction_dimension=0),
}


@pytest.mark.parametrize("target", CALLS)
def test_calls_that_jax_writes_for_want_of_an_operation(target: str) -> None:
    scope = export.SymbolicScope(["b >= 2"])
    shape = jax.ShapeDtypeStruct(export.symbolic_shape("b", scope=scope), jnp.float32)
    module = export.export(jax.jit(CALLS[target]))(shape)
    assert target in module.mlir_module()
    x = np.random.default_rng(1).standard_normal(6).astype(np.float32)
    found = neuronc.load(bytes(neuronc.compile(module.mlir_module_serialized, shapes={"b": 6})))(x)
    for one, other in zip(found, jax.tree.leaves(module.call(x)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    with pytest.raises(UnsupportedError, match=r"NRC-0206.*\n.*--symbol b=4"):
        neuronc.compile(module.mlir_module_serialized)
