"""What each instruction computes, by its formula in float64 or in Python's own numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from neuronc.artifact.model import LibraryCall, LibraryOperand
from neuronc.dtypes import BY_NAME, BY_NUMPY, ELEMENT_TYPES
from neuronc.errors import ExecutionError
from neuronc.hardware import TRN2
from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory, Operand
from neuronc.isa.table import Instruction
from neuronc.numerics import FUNCTIONS
from neuronc.runtime.indirect import bind_gather, bind_library, bind_scatter
from neuronc.runtime.kernels import KERNELS
from neuronc.runtime.memory import Core, hbm_view
from neuronc.runtime.selection import select

BF16 = ml_dtypes.bfloat16
EPS = float(np.finfo(np.float32).eps)
CHANCE = np.random.default_rng(0)


def code(name: str) -> int:
    return FUNCTIONS[name].code


def normal(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return CHANCE.standard_normal(shape).astype(dtype)


class Bench:
    """A core whose tiles are given one array after another."""

    def __init__(self) -> None:
        self.core = Core.of(TRN2)
        self.core.poison()
        self.top = {Memory.SBUF: 0, Memory.PSUM: 0}

    def put(self, array: np.ndarray, memory: Memory = Memory.SBUF) -> Operand:
        """A tile of its own that holds the array [P, ...]."""
        operand = self.room(array.shape, array.dtype, memory)
        self.core.view(operand)[...] = array
        return operand

    def room(self, shape: tuple[int, ...], dtype: Any, memory: Memory = Memory.SBUF) -> Operand:
        """A tile of its own, poisoned."""
        dtype = np.dtype(dtype)
        free = shape[1:] or (1,)
        steps = tuple(math.prod(free[d + 1 :]) for d in range(len(free)))
        size = math.prod(free) * dtype.itemsize
        start = self.top[memory]
        self.top[memory] += size
        return Operand(memory, BY_NUMPY[dtype].code, 0, steps, free, 0, 0, shape[0], start, size)

    def run(self, instr: Instruction) -> np.ndarray:
        """Execute one instruction; returns its dst."""
        given: Mapping[str, Operand | None] = {n: getattr(instr, n) for n in instr.slots}
        views = {n: self.core.view(o) for n, o in given.items() if o is not None}
        with np.errstate(all="ignore"):
            KERNELS[type(instr)](instr, views)()
        return views["dst"].copy()


@pytest.mark.parametrize("dtype", [np.float32, BF16, np.float16])
def test_matmul_adds_in_float32(dtype: Any) -> None:
    b = Bench()
    x, w = normal(100, 30, dtype=dtype), normal(100, 50, dtype=dtype)
    dst, left, right = b.room((30, 50), np.float32, Memory.PSUM), b.put(x), b.put(w)
    once = b.run(isa.MatMul(dst, left, right, 0))
    exact = x.astype(np.float64).T @ w.astype(np.float64)
    # 100 roundings, each of at most the sum of the magnitudes.
    bound = 100 * EPS * (np.abs(x.astype(np.float64)).T @ np.abs(w.astype(np.float64)))
    assert (np.abs(once - exact) <= bound).all()
    twice = b.run(isa.MatMul(dst, left, right, 1))
    assert (np.abs(twice - 2 * exact) <= 3 * bound).all()


def test_matmul_walks_free_dimensions_as_one() -> None:
    b = Bench()
    x, w = normal(8, 2, 3), normal(8, 4, 5)
    dst = b.room((6, 20), np.float32, Memory.PSUM)
    made = b.run(isa.MatMul(dst, b.put(x), b.put(w), 0))
    exact = x.reshape(8, 6).astype(np.float64).T @ w.reshape(8, 20)
    np.testing.assert_allclose(made, exact, rtol=0, atol=8 * EPS * np.abs(exact).max())


@pytest.mark.parametrize("dtype", [np.float32, np.int32, BF16, np.uint8])
def test_transpose_moves_bits(dtype: Any) -> None:
    b = Bench()
    bits = CHANCE.integers(0, 256, (20, 30 * np.dtype(dtype).itemsize), np.uint8)
    x = bits.view(dtype)
    made = b.run(isa.Transpose(b.room((30, 20), dtype, Memory.PSUM), b.put(x)))
    assert made.tobytes() == np.ascontiguousarray(x.T).tobytes()
    wide = b.run(isa.Transpose(b.room((30, 4, 5), dtype, Memory.PSUM), b.put(x.reshape(20, 5, 6))))
    assert wide.tobytes() == np.ascontiguousarray(x.T).tobytes()


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("add", np.add),
        ("subtract", np.subtract),
        ("multiply", np.multiply),
        ("divide", np.divide),
        ("maximum", np.maximum),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, BF16, np.float16])
def test_tensor_tensor_rounds_once(name: str, formula: Callable[..., Any], dtype: Any) -> None:
    b = Bench()
    x, y = normal(16, 40, dtype=dtype), normal(16, 40, dtype=dtype)
    made = b.run(isa.TensorTensor(b.room((16, 40), dtype), b.put(x), b.put(y), code(name)))
    # Float64 has more than twice the digits, so rounding it is rounding the exact value.
    exact = formula(x.astype(np.float64), y.astype(np.float64)).astype(dtype)
    np.testing.assert_array_equal(made, exact)


def test_a_repeated_row_of_another_float_type_is_added_in_float32() -> None:
    b = Bench()
    x, row = normal(16, 40), normal(1, 40, dtype=BF16)
    one = b.put(np.repeat(row, 16, 0))
    repeated = replace(one, counts=(40,), partitions=16, tile_bytes=0)
    made = b.run(isa.TensorTensor(b.room((16, 40), BF16), b.put(x), repeated, code("add")))
    exact = (x + row.astype(np.float32)).astype(BF16)
    np.testing.assert_array_equal(made, exact)


def test_integers_wrap_and_comparisons_give_booleans() -> None:
    b = Bench()
    x, y = np.array([[2**31 - 1, 5]], np.int32), np.array([[1, -7]], np.int32)
    one, other = b.put(x), b.put(y)
    made = b.run(isa.TensorTensor(b.room((1, 2), np.int32), one, other, code("add")))
    assert made.tolist() == [[-(2**31), -2]]
    made = b.run(isa.TensorTensor(b.room((1, 2), np.bool_), one, other, code("gt")))
    assert made.tolist() == [[True, True]]


def test_tensor_scalar_takes_numbers_and_columns_in_either_order() -> None:
    b = Bench()
    x, column = normal(16, 40), normal(16, 1)
    src, scalar, dst = b.put(x), b.put(column), b.room((16, 40), np.float32)
    sub, mul = code("subtract"), code("multiply")
    for reverse0 in (0, 1):
        for reverse1 in (0, 1):
            made = b.run(
                isa.TensorScalar(dst, src, None, scalar, mul, sub, reverse0, reverse1, 0.5, 0.0)
            )
            product = x * np.float32(0.5)
            wanted = column - product if reverse1 else product - column
            np.testing.assert_array_equal(made, wanted)
    made = b.run(isa.TensorScalar(dst, src, scalar, None, sub, 0, 1, 0, 0.0, 0.0))
    np.testing.assert_array_equal(made, column - x)


def test_scalar_tensor_tensor() -> None:
    b = Bench()
    x, column, y = normal(16, 40), normal(16, 1), normal(16, 40)
    src, scalar, tensor, dst = b.put(x), b.put(column), b.put(y), b.room((16, 40), np.float32)
    sub, mul = code("subtract"), code("multiply")
    made = b.run(isa.ScalarTensorTensor(dst, src, scalar, tensor, mul, sub, 0, 1, 0.0))
    np.testing.assert_array_equal(made, y - x * column)
    made = b.run(isa.ScalarTensorTensor(dst, src, None, tensor, sub, mul, 1, 0, 2.0))
    np.testing.assert_array_equal(made, (np.float32(2) - x) * y)


def test_two_functions_of_a_small_float_round_once() -> None:
    """1 + 2^-8 is not a bfloat16: rounded in between, 1 would be taken away to nothing."""
    b = Bench()
    x = np.full((4, 8), 2.0**-8, BF16)
    src, ones = b.put(x), b.put(np.ones((4, 8), BF16))
    add, sub = code("add"), code("subtract")
    dst = b.room((4, 8), BF16)
    made = b.run(isa.TensorScalar(dst, src, None, None, add, sub, 0, 0, 1.0, 1.0))
    np.testing.assert_array_equal(made, x)
    made = b.run(isa.ScalarTensorTensor(dst, src, None, ones, add, sub, 0, 0, 1.0))
    np.testing.assert_array_equal(made, x)


def test_tensor_reduce_takes_the_last_dimensions() -> None:
    b = Bench()
    x = CHANCE.integers(-9, 9, (16, 3, 4, 5)).astype(np.float32)
    src = b.put(x)
    for axes in (1, 2, 3):
        shape = x.shape[: 4 - axes] if axes < 3 else (16, 1)
        for name, formula in (("add", np.sum), ("maximum", np.max)):
            dst = b.room(shape, np.float32)
            view = b.core.view(dst)
            if axes == 3:
                view = view[:, 0]
            instr = isa.TensorReduce(dst, src, code(name), axes)
            KERNELS[isa.TensorReduce](instr, {"dst": view, "src": b.core.view(src)})()
            wanted = formula(x, axis=tuple(range(4 - axes, 4)))
            np.testing.assert_array_equal(view, wanted)


def test_a_sum_of_small_floats_is_kept_in_float32() -> None:
    b = Bench()
    src, dst = b.put(np.ones((2, 1, 300), BF16)), b.room((2, 1), BF16)
    assert (b.run(isa.TensorReduce(dst, src, code("add"), 1)) == 300).all()


def test_select_moves_bits() -> None:
    b = Bench()
    p = CHANCE.integers(0, 2, (16, 40)).astype(np.bool_)
    for dtype in (np.float32, BF16, np.int8, np.int32):
        size = np.dtype(dtype).itemsize
        x, y = (CHANCE.integers(0, 256, (16, 40 * size), np.uint8).view(dtype) for _ in range(2))
        dst = b.room((16, 40), dtype)
        made = b.run(isa.Select(dst, b.put(p), b.put(x), b.put(y)))
        wanted = np.where(p, x.view(f"u{size}"), y.view(f"u{size}"))
        assert made.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    ("given", "to", "wanted"),
    [
        (
            np.array([[2.7, -2.7, 3e10, -3e10, np.nan]], np.float32),
            np.int32,
            [2, -2, 2**31 - 1, -(2**31), 0],
        ),
        (np.array([[300, -1, 5]], np.int32), np.uint8, [44, 255, 5]),
        (np.array([[1 + 2.0**-8, 1 + 3 * 2.0**-8]], np.float32), BF16, [1.0, 1 + 2.0**-6]),
        (np.array([[0.0, -0.0, 0.1, np.nan]], np.float32), np.bool_, [False, False, True, True]),
        (np.array([[True, False]]), np.float32, [1.0, 0.0]),
        (np.array([[2**24 + 1]], np.int32), np.float32, [2.0**24]),
    ],
)
def test_copy_converts_by_the_rules_of_stablehlo(
    given: np.ndarray, to: Any, wanted: list[float]
) -> None:
    b = Bench()
    made = b.run(isa.Copy(b.room(given.shape, to), b.put(given)))
    assert made[0].astype(np.float64).tolist() == [float(w) for w in wanted]


def test_memset_fills_every_type() -> None:
    b = Bench()
    for row in ELEMENT_TYPES:
        if row.engine and row.name != "f8E8M0FNU":
            made = b.run(isa.Memset(b.room((3, 5), row.numpy), 1.0))
            assert (made.astype(np.float64) == 1).all()
    assert np.isneginf(b.run(isa.Memset(b.room((3, 5), np.float32), -math.inf))).all()


def test_activation_scales_adds_and_sums() -> None:
    b = Bench()
    x, bias = normal(16, 40), normal(16, 1)
    src, column = b.put(x), b.put(bias)
    dst, total = b.room((16, 40), np.float32), b.room((16, 1), np.float32)
    made = b.run(isa.Activation(dst, src, column, total, code("exponential"), 0.5))
    exact = np.exp(0.5 * x.astype(np.float64) + bias)
    # The argument, below 8, rounds once or twice, and exp passes that on relative to itself.
    np.testing.assert_allclose(made, exact, rtol=20 * EPS)
    np.testing.assert_allclose(b.core.view(total)[:, 0], exact.sum(1), rtol=60 * EPS)
    plain = b.run(isa.Activation(dst, src, None, None, code("tanh"), 1.0))
    np.testing.assert_allclose(plain, np.tanh(x.astype(np.float64)), rtol=4 * EPS)


def test_elementwise_of_integers() -> None:
    b = Bench()
    x = np.array([[0, 1, 255, -1]], np.int32)
    made = b.run(isa.Elementwise(b.room((1, 4), np.int32), b.put(x), code("popcnt")))
    assert made.tolist() == [[0, 1, 8, 32]]


def test_iota_steps_over_partitions_and_free_dimensions() -> None:
    b = Bench()
    dst = b.room((4, 3, 5), np.int32)
    made = b.run(isa.Iota(dst, 7, 100, 10, -1, 0, 0))
    p, i, j = np.mgrid[0:4, 0:3, 0:5]
    np.testing.assert_array_equal(made, 7 + 100 * p + 10 * i - j)


def test_operands_step_backwards_over_and_again() -> None:
    """Steps of -2, 0 and a row of its own, in the middle of a tile."""
    b = Bench()
    tile = b.put(np.arange(8 * 12, dtype=np.float32).reshape(8, 12))
    start = {"partition_start": 2, "partitions": 3, "offset": 4 * 10}
    walk = Operand(**{**vars(tile), **start, "steps": (-2, 0), "counts": (4, 2)})
    made = b.run(isa.Copy(b.room((3, 4, 2), np.float32), walk))
    wanted = np.arange(8 * 12).reshape(8, 12)[2:5, 10:2:-2]
    np.testing.assert_array_equal(made, np.stack([wanted, wanted], -1))


def hbm(offset: int, pairs: list[tuple[int, int]], number: int = 0) -> Operand:
    steps, counts = zip(*pairs, strict=True)
    return Operand(Memory.HBM, BY_NAME["f32"].code, offset, steps, counts, number)


def buffer(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1).view(np.uint8)


def test_dma_copies_and_combines_windows() -> None:
    b = Bench()
    x = np.arange(40, dtype=np.float32).reshape(4, 10)
    tile = b.put(np.ones((4, 3), np.float32))
    window = hbm(4 * 2, [(10, 4), (3, 3)])
    for accumulate, extra in ((0, 0), (code("add"), 1)):
        source = x.copy()
        views = {"dst": b.core.view(tile), "src": hbm_view(window, [buffer(source)])}
        views["dst"][...] = 1
        KERNELS[isa.DmaCopy](isa.DmaCopy(tile, window, accumulate), views)()
        np.testing.assert_array_equal(views["dst"], x[:, [2, 5, 8]] + extra)


def test_gather_skips_negative_indices_and_catches_what_is_outside() -> None:
    b = Bench()
    table = np.arange(50, dtype=np.float32).reshape(10, 5)
    dst, index = np.full((4, 5), -1, np.float32), b.put(np.array([[10], [-1], [45], [0]], np.int32))
    instr = isa.DmaGather(hbm(0, [(5, 4), (1, 5)], 1), hbm(0, [(1, 5)]), index, 1)
    bind_gather(instr, b.core, [buffer(table), buffer(dst)])()
    np.testing.assert_array_equal(dst, [table[2], [-1] * 5, table[9], table[0]])
    b.core.view(index)[1] = 46
    with pytest.raises(ExecutionError, match="bytes 184 to 204 of a buffer of 200 bytes"):
        bind_gather(instr, b.core, [buffer(table), buffer(dst)])()


def test_a_gather_of_whole_rows_is_one_of_windows() -> None:
    """Rows apart from each other move together, and one beyond the end is still an error."""
    b = Bench()
    table = np.arange(50, dtype=np.float32).reshape(10, 5)
    dst, index = np.full((4, 5), -1, np.float32), b.put(np.array([[9], [-1], [2], [2]], np.int32))
    instr = isa.DmaGather(hbm(0, [(5, 4), (1, 5)], 1), hbm(0, [(1, 5)]), index, 5)
    gather = bind_gather(instr, b.core, [buffer(table), buffer(dst)])
    gather()
    np.testing.assert_array_equal(dst, [table[9], [-1] * 5, table[2], table[2]])
    b.core.view(index)[1] = 10
    with pytest.raises(ExecutionError, match="bytes 200 to 220 of a buffer of 200 bytes"):
        gather()


def test_scatter_goes_in_order_and_accumulates() -> None:
    b = Bench()
    rows = np.arange(20, dtype=np.float32).reshape(4, 5)
    index = b.put(np.array([[1], [3], [1], [-1]], np.int32))

    def scattered(accumulate: int) -> np.ndarray:
        table = np.ones((5, 5), np.float32)
        instr = isa.DmaScatter(hbm(0, [(1, 5)], 1), hbm(0, [(5, 4), (1, 5)]), index, 5, accumulate)
        bind_scatter(instr, b.core, [buffer(rows), buffer(table)])()
        return table

    ones = np.ones(5)
    np.testing.assert_array_equal(scattered(0), [ones, rows[2], ones, rows[1], ones])
    added = [ones, 1 + rows[0] + rows[2], ones, 1 + rows[1], ones]
    np.testing.assert_array_equal(scattered(code("add")), added)


@pytest.mark.parametrize("indices", [[5, 15, 5, -1], [5, 12, 9, 5]], ids=["apart", "overlapping"])
@pytest.mark.parametrize("accumulate", [0, code("add")])
def test_scatter_of_windows_at_any_element(indices: list[int], accumulate: int) -> None:
    """Windows that reach into one another are written in order as well."""
    b = Bench()
    rows = np.arange(1, 21, dtype=np.float32).reshape(4, 5)
    index = b.put(np.array(indices, np.int32).reshape(4, 1))
    table, expected = np.ones(25, np.float32), np.ones(25, np.float32)
    instr = isa.DmaScatter(hbm(0, [(1, 5)], 1), hbm(0, [(5, 4), (1, 5)]), index, 1, accumulate)
    bind_scatter(instr, b.core, [buffer(rows), buffer(table)])()
    for at, row in zip(indices, rows, strict=True):
        if at >= 0:
            expected[at : at + 5] = row + (expected[at : at + 5] if accumulate else 0)
    np.testing.assert_array_equal(table, expected)


def test_library_runs_on_whole_buffers() -> None:
    x, out = np.array([3.0, 1.0, 2.0], np.float32), np.zeros(3, np.float32)
    call = LibraryCall(
        "reverse",
        '{"dimensions": [0]}',
        (LibraryOperand(1, (3,), "f32"),),
        (LibraryOperand(0, (3,), "f32"),),
    )
    bind_library(call, [buffer(x), buffer(out)])()
    assert out.tolist() == [2.0, 1.0, 3.0]


def test_tiles_share_the_bytes_that_they_share_on_chip() -> None:
    """A tile is one run in memory, which starts where its first byte is in every partition."""
    core = Core.of(TRN2)
    whole = Operand(Memory.SBUF, BY_NAME["f32"].code, 0, (1,), (32,), 0, 0, 128, 256, 128)
    left = Operand(Memory.SBUF, BY_NAME["f32"].code, 0, (1,), (16,), 0, 0, 128, 256, 64)
    right = Operand(Memory.SBUF, BY_NAME["f32"].code, 0, (1,), (16,), 0, 0, 128, 320, 64)
    apart = Operand(Memory.SBUF, BY_NAME["f32"].code, 0, (1,), (16,), 0, 0, 128, 384, 64)
    core.view(apart)[...] = 7
    core.view(left)[...] = 1
    core.view(right)[...] = 2
    assert core.view(whole).reshape(-1).tolist() == [1] * 2048 + [2] * 2048
    assert (core.view(apart) == 7).all()


def test_a_choice_beside_its_operands_is_no_choice_in_place() -> None:
    """The blocks of a batch lie in turns with those of another: same stretch, no common byte."""
    room = np.arange(48, dtype=np.float32).reshape(4, 12)
    dst, on_true = room[:, :3], room[:, 6:9]
    predicate = np.arange(12).reshape(4, 3) % 2 == 0
    want = np.where(predicate, on_true, -1)
    select(dst, predicate, on_true, np.float32(-1).reshape(1, 1))()
    assert (dst == want).all()
    want = np.where(predicate, on_true, -1)
    select(on_true, predicate, on_true, np.float32(-1).reshape(1, 1))()
    assert (on_true == want).all()
