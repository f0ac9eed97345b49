"""Programs of quantised types against the specification's formulas in float64.

Every float that occurs here is a small multiple of a power of two, so that float32 is exact and
float64 is its judge; a sum is rounded to the storage type after every step, as its region says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from neuronc.artifact.container import read, to_bytes
from neuronc.errors import NeuroncError
from neuronc.frontend.quantised_types import parse
from neuronc.pipeline import compile_artifact
from neuronc.runtime.program import Program

Array = NDArray[np.generic]
RNG = np.random.default_rng(5)
A = "!quant.uniform<i8:f32, 0.25:-3>"
B = "!quant.uniform<i8:f32, 0.5:2>"
AXIS = "!quant.uniform<i8:f32:1, {0.5:1, 0.25:-2, 2.0}>"
UNSIGNED = "!quant.uniform<u8:f32, 0.25:128>"


def run(text: str, *inputs: Array) -> list[Array]:
    """Through the bytes of an artifact."""
    return Program(read(to_bytes(compile_artifact(text, "quantised"))))(*inputs)


def main(body: str, operands: Sequence[str], *results: str) -> str:
    """A function of %a, %b, .. that returns %r, or %r#0, %r#1, .."""
    given = ", ".join(f"%{chr(97 + i)}: tensor<{t}>" for i, t in enumerate(operands))
    types = ", ".join(f"tensor<{t}>" for t in results)
    values = ", ".join(f"%r#{i}" for i in range(len(results))) if len(results) > 1 else "%r"
    return f"func.func @main({given}) -> ({types}) {{\n{body}\nreturn {values} : {types}\n}}"


def dequantise(x: Array, kind: str) -> NDArray[np.float64]:
    """(q - zero point) * scale."""
    parts = parse(kind)
    assert parts is not None
    return (x.astype(np.float64) - along(parts.zero_points, parts.axis, x.ndim)) * along(
        parts.scales, parts.axis, x.ndim
    )


def quantise(x: NDArray[np.float64], kind: str) -> Array:
    """round(clamp(x / scale + zero point))."""
    parts = parse(kind)
    assert parts is not None
    moved = x / along(parts.scales, parts.axis, x.ndim) + along(
        parts.zero_points, parts.axis, x.ndim
    )
    whole = np.rint(np.clip(moved, parts.low, parts.high))
    return whole.astype(f"{'i' if parts.signed else 'u'}{max(parts.bits, 8) // 8}")


def along(numbers: Sequence[float], axis: int | None, rank: int) -> NDArray[np.float64]:
    shape = [1] * rank
    if axis is not None:
        shape[axis] = len(numbers)
    return np.array(numbers, np.float64).reshape(shape if axis is not None else ())


def bytes_(*shape: int, dtype: str = "int8") -> Array:
    ends = np.iinfo(dtype)
    return RNG.integers(ends.min, ends.max, shape, endpoint=True).astype(dtype)


def body_of(op: str, kind: str) -> str:
    return (
        f"({{\n^bb0(%x: tensor<{kind}>, %y: tensor<{kind}>):\n"
        f"%s = stablehlo.{op} %x, %y : tensor<{kind}>\n"
        f"stablehlo.return %s : tensor<{kind}>\n}})"
    )


def folded(rows: Array, kind: str, function: Callable[..., NDArray[np.float64]]) -> Array:
    """Fold the last axis from zero, rounding after every step."""
    total = quantise(np.zeros(rows.shape[:-1]), kind)
    for index in range(rows.shape[-1]):
        step = function(dequantise(total, kind), dequantise(rows[..., index], kind))
        total = quantise(step, kind)
    return total


ZERO = f"%z = stablehlo.constant() <{{value = dense<-3> : tensor<i8>}}> : () -> tensor<{A}>\n"


def test_a_reduction_rounds_after_every_step() -> None:
    x = bytes_(4, 5)
    text = main(
        f'{ZERO}%r = "stablehlo.reduce"(%a, %z) <{{dimensions = array<i64: 1>}}> '
        f"{body_of('add', A)} : (tensor<4x5x{A}>, tensor<{A}>) -> tensor<4x{A}>",
        [f"4x5x{A}"],
        f"4x{A}",
    )
    np.testing.assert_array_equal(run(text, x)[0], folded(x, A, np.add))


def test_windows_are_folded_in_the_region() -> None:
    x = bytes_(2, 6)
    text = main(
        f'{ZERO}%r = "stablehlo.reduce_window"(%a, %z) <{{window_dimensions = array<i64: 1, 3>, '
        f"window_strides = array<i64: 1, 1>}}> {body_of('add', A)} : "
        f"(tensor<2x6x{A}>, tensor<{A}>) -> tensor<2x4x{A}>",
        [f"2x6x{A}"],
        f"2x4x{A}",
    )
    windows = np.lib.stride_tricks.sliding_window_view(x, 3, axis=1)
    np.testing.assert_array_equal(run(text, x)[0], folded(windows, A, np.add))


def test_scatter_adds_what_the_integers_stand_for() -> None:
    x, update = bytes_(5), bytes_(3)
    text = main(
        '%r = "stablehlo.scatter"(%a, %b, %c) <{scatter_dimension_numbers = #stablehlo.scatter<'
        "inserted_window_dims = [0], scatter_dims_to_operand_dims = [0], index_vector_dim = 1>}> "
        f"{body_of('add', A)} : (tensor<5x{A}>, tensor<3x1xi32>, tensor<3x{A}>) -> tensor<5x{A}>",
        [f"5x{A}", "3x1xi32", f"3x{A}"],
        f"5x{A}",
    )
    want = x.copy()
    for at, value in zip([4, 1, 2], update, strict=True):
        want[at] = quantise(dequantise(x[at], A) + dequantise(value, A), A)
    got = run(text, x, np.array([[4], [1], [2]], np.int32), update)[0]
    np.testing.assert_array_equal(got, want)


def test_select_and_scatter_selects_by_value() -> None:
    x, source = bytes_(6), bytes_(3)
    select = (
        f"{{\n^bb0(%x: tensor<{A}>, %y: tensor<{A}>):\n"
        f"%s = stablehlo.compare GE, %x, %y : (tensor<{A}>, tensor<{A}>) -> tensor<i1>\n"
        "stablehlo.return %s : tensor<i1>\n}"
    )
    text = main(
        f'{ZERO}%r = "stablehlo.select_and_scatter"(%a, %b, %z) ({select}, '
        f"{body_of('add', A).strip('()')}) {{window_dimensions = array<i64: 2>, "
        f"window_strides = array<i64: 2>}} : (tensor<6x{A}>, tensor<3x{A}>, tensor<{A}>) -> "
        f"tensor<6x{A}>",
        [f"6x{A}", f"3x{A}"],
        f"6x{A}",
    )
    want = np.full(6, -3, np.int8)
    for window in range(3):
        want[2 * window + int(x[2 * window] < x[2 * window + 1])] = source[window]
    np.testing.assert_array_equal(run(text, x, source)[0], want)


def test_branches_and_loops_compute_in_floats() -> None:
    x, y = bytes_(4), bytes_(4)
    branch = "{\n%s = stablehlo.add %b, %c : tensor<4x{A}>\nstablehlo.return %s : tensor<4x{A}>\n}"
    loop = (
        "%i0 = stablehlo.constant dense<0> : tensor<i32>\n"
        "%one = stablehlo.constant dense<1> : tensor<i32>\n"
        "%end = stablehlo.constant dense<3> : tensor<i32>\n"
        f"%l:2 = stablehlo.while(%i = %i0, %v = %t) : tensor<i32>, tensor<4x{A}>\n cond {{\n"
        "%p = stablehlo.compare LT, %i, %end : (tensor<i32>, tensor<i32>) -> tensor<i1>\n"
        "stablehlo.return %p : tensor<i1>\n} do {\n%n = stablehlo.add %i, %one : tensor<i32>\n"
        f"%w = stablehlo.multiply %v, %c : tensor<4x{A}>\n"
        f"stablehlo.return %n, %w : tensor<i32>, tensor<4x{A}>\n}}\n"
    )
    text = main(
        f'%t = "stablehlo.if"(%a) ({branch}, {branch.replace("add", "subtract")}) : '
        f"(tensor<i1>) -> tensor<4x{{A}}>\n".replace("{A}", A)
        + loop
        + f"%r = stablehlo.reverse %l#1, dims = [0] : tensor<4x{A}>",
        ["i1", f"4x{A}", f"4x{A}"],
        f"4x{A}",
    )
    want = quantise(dequantise(x, A) + dequantise(y, A), A)
    for _ in range(3):
        want = quantise(dequantise(want, A) * dequantise(y, A), A)
    np.testing.assert_array_equal(run(text, np.array(True), x, y)[0], want[::-1])


def test_a_comparator_sees_values() -> None:
    x = bytes_(7)
    compare = (
        f"({{\n^bb0(%x: tensor<{A}>, %y: tensor<{A}>):\n"
        f"%u = stablehlo.abs %x : tensor<{A}>\n%v = stablehlo.abs %y : tensor<{A}>\n"
        f"%s = stablehlo.compare LT, %u, %v : (tensor<{A}>, tensor<{A}>) -> tensor<i1>\n"
        "stablehlo.return %s : tensor<i1>\n})"
    )
    text = main(
        f'%r = "stablehlo.sort"(%a) <{{dimension = 0 : i64, is_stable = true}}> {compare} : '
        f"(tensor<7x{A}>) -> tensor<7x{A}>",
        [f"7x{A}"],
        f"7x{A}",
    )
    keys = quantise(np.abs(dequantise(x, A)), A)
    np.testing.assert_array_equal(run(text, x)[0], x[np.argsort(keys, kind="stable")])


def test_a_contraction_has_scales_for_every_column() -> None:
    weight = "!quant.uniform<i8:f32:1, {0.5, 0.25, 2.0}>"
    out = "!quant.uniform<i8:f32:1, {64.0:1, 32.0, 16.0:-2}>"
    x, w = bytes_(4, 5), bytes_(5, 3)
    text = main(
        "%r = stablehlo.dot_general %a, %b, contracting_dims = [1] x [0] : "
        f"(tensor<4x5x{A}>, tensor<5x3x{weight}>) -> tensor<4x3x{out}>",
        [f"4x5x{A}", f"5x3x{weight}"],
        f"4x3x{out}",
    )
    want = quantise(dequantise(x, A) @ dequantise(w, weight), out)
    np.testing.assert_array_equal(run(text, x, w)[0], want)


def test_a_convolution_has_scales_for_every_feature() -> None:
    weight = "!quant.uniform<i8:f32:3, {0.5, 0.25}>"
    out = "!quant.uniform<i8:f32:3, {64.0:1, 32.0}>"
    x, w = bytes_(1, 3, 3, 2), bytes_(1, 1, 2, 2)
    text = main(
        "%r = stablehlo.convolution(%a, %b) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], "
        "window = {} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : "
        f"(tensor<1x3x3x2x{A}>, tensor<1x1x2x2x{weight}>) -> tensor<1x3x3x2x{out}>",
        [f"1x3x3x2x{A}", f"1x1x2x2x{weight}"],
        f"1x3x3x2x{out}",
    )
    want = quantise(np.einsum("bxyi,io->bxyo", dequantise(x, A), dequantise(w, weight)[0, 0]), out)
    np.testing.assert_array_equal(run(text, x, w)[0], want)


def test_floats_times_quantised_weights_stay_floats() -> None:
    weight = "!quant.uniform<i8:f32:1, {0.5, 0.25, 2.0}>"
    x, w = bytes_(4, 5).astype(np.float32), bytes_(5, 3)
    text = main(
        "%r = stablehlo.dot_general %a, %b, contracting_dims = [1] x [0] : "
        f"(tensor<4x5xf32>, tensor<5x3x{weight}>) -> tensor<4x3xf32>",
        ["4x5xf32", f"5x3x{weight}"],
        "4x3xf32",
    )
    np.testing.assert_array_equal(run(text, x, w)[0], x @ dequantise(w, weight))


@pytest.mark.parametrize(
    ("kind", "storage"),
    [
        (A, "int8"),
        (UNSIGNED, "uint8"),
        ("!quant.uniform<i16:f32, 0.25:7>", "int16"),
        ("!quant.uniform<i8<-100:90>:f32, 0.25:7>", "int8"),
        ("!quant.uniform<i8:f16, 0.25:7>", "int8"),
        ("!quant.uniform<u8:bf16, 0.5:0>", "uint8"),
    ],
)
def test_storage_and_expressed_types(kind: str, storage: str) -> None:
    x, y = (bytes_(4, 6, dtype=storage) // 2 for _ in range(2))  # sums that bf16 holds exactly
    text = main(
        f"%r = stablehlo.add %a, %b : tensor<4x6x{kind}>", [f"4x6x{kind}"] * 2, f"4x6x{kind}"
    )
    want = quantise(dequantise(x, kind) + dequantise(y, kind), kind)
    got = run(text, x, y)[0]
    assert got.dtype == np.dtype(storage)
    np.testing.assert_array_equal(got, want)


def test_requantising_changes_scales_and_zero_points_of_every_column() -> None:
    other = "!quant.uniform<i8:f32:1, {0.25, 0.5:-7, 1.0:3}>"
    x = bytes_(4, 3)
    text = main(
        f"%r = stablehlo.uniform_quantize %a : (tensor<4x3x{AXIS}>) -> tensor<4x3x{other}>",
        [f"4x3x{AXIS}"],
        f"4x3x{other}",
    )
    np.testing.assert_array_equal(run(text, x)[0], quantise(dequantise(x, AXIS), other))


def test_selection_between_types_quantises_anew() -> None:
    x, y, pred = bytes_(6), bytes_(6), np.array([1, 0, 1, 1, 0, 0], bool)
    text = main(
        f"%m = stablehlo.maximum %b, %b : tensor<6x{A}>\n"
        f"%r = stablehlo.select %a, %m, %c : (tensor<6xi1>, tensor<6x{A}>, tensor<6x{A}>) -> "
        f"tensor<6x{A}>",
        ["6xi1", f"6x{A}", f"6x{A}"],
        f"6x{A}",
    )
    np.testing.assert_array_equal(run(text, pred, x, y)[0], np.where(pred, x, y))


def test_composites_calls_and_tuples_carry_quantised_values() -> None:
    x = bytes_(6)
    text = (
        f"func.func private @twice(%x: tensor<6x{A}>) -> tensor<6x{B}> {{\n"
        f"%0 = stablehlo.add %x, %x : (tensor<6x{A}>, tensor<6x{A}>) -> tensor<6x{B}>\n"
        f"return %0 : tensor<6x{B}>\n}}\n"
    ) + main(
        f'%q = stablehlo.composite "my.twice" %a {{decomposition = @twice}} : '
        f"(tensor<6x{A}>) -> tensor<6x{B}>\n"
        f"%p = func.call @twice(%a) : (tensor<6x{A}>) -> tensor<6x{B}>\n"
        f"%t = stablehlo.tuple %q, %p : tuple<tensor<6x{B}>, tensor<6x{B}>>\n"
        f"%r = stablehlo.get_tuple_element %t[1] : "
        f"(tuple<tensor<6x{B}>, tensor<6x{B}>>) -> tensor<6x{B}>",
        [f"6x{A}"],
        f"6x{B}",
    )
    np.testing.assert_array_equal(run(text, x)[0], quantise(2 * dequantise(x, A), B))


def test_a_shift_of_what_stands_for_a_float_is_refused() -> None:
    text = main(
        f"%r = chlo.broadcast_shift_left %a, %b : (tensor<4x{A}>, tensor<4x{A}>) -> tensor<4x{A}>",
        [f"4x{A}"] * 2,
        f"4x{A}",
    )
    with pytest.raises(NeuroncError, match=r"NRC-0215.*has no meaning"):
        compile_artifact(text, "quantised")
