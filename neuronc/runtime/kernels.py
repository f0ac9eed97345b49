"""What each instruction does, on views: one function a row of the table.

`KERNELS[cls](instruction, views)` returns the bound call: views are looked up and functions chosen
once, at load, so running is a flat loop over these calls. Floats are computed in float32 and
rounded once where the instruction writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

import ml_dtypes
import numpy as np

from neuronc.isa import instructions as isa
from neuronc.isa.table import Instruction
from neuronc.numerics import BY_CODE, FUNCTIONS, REDUCTIONS, Function, cast
from neuronc.numerics.in_place import InPlace
from neuronc.runtime.memory import Array

Call = Callable[[], object]
Views = Mapping[str, Array]
Kernel = Callable[[Instruction, Views], Call]
_REDUCTION_BY_CODE = {row.code: row for row in REDUCTIONS.values()}
_FLOAT = np.dtype(np.float32)
_FLOATS = (_FLOAT, np.dtype(ml_dtypes.bfloat16), np.dtype(np.float16))
_WORDS = (1, 2, 4, 8)
_SHORT_MAX, _LONG_MIN = 16, 1024
"""Reductions of at most so many elements, to at least so many, are not done a row at a time."""
KERNELS: dict[type[Instruction], Kernel] = {}


def _kernel(cls: type[Instruction]) -> Callable[[Kernel], Kernel]:
    def enter(function: Kernel) -> Kernel:
        KERNELS[cls] = function
        return function

    return enter


@_kernel(isa.MatMul)
def _matmul(instr: Instruction, views: Views) -> Call:
    """[K, M].T @ [K, N] in float32, as the systolic array accumulates."""
    assert isinstance(instr, isa.MatMul)
    dst, stationary, moving = views["dst"], views["stationary"], views["moving"]
    if stationary.dtype == _FLOAT and stationary.ndim == moving.ndim == dst.ndim == 2:
        left = stationary.T
        if not instr.accumulate:
            return lambda: np.matmul(left, moving, out=dst)
        return lambda: np.add(dst, np.matmul(left, moving), out=dst)
    accumulate, k = instr.accumulate, len(stationary)

    def multiply() -> None:
        left = stationary.reshape(k, -1).astype(np.float32)
        right = moving.reshape(k, -1).astype(np.float32)
        product = (left.T @ right).reshape(dst.shape)
        np.copyto(dst, np.add(dst, product) if accumulate else product, casting="unsafe")

    return multiply


@_kernel(isa.Transpose)
def _transpose(instr: Instruction, views: Views) -> Call:
    """dst[C, P] = src[P, C].T."""
    dst, src = views["dst"], views["src"]
    if src.ndim == dst.ndim == 2:
        turned = src.T
        return lambda: np.copyto(dst, turned)
    rows = len(src)
    return lambda: np.copyto(dst, src.reshape(rows, -1).T.reshape(dst.shape))


@_kernel(isa.TensorTensor)
def _tensor_tensor(instr: Instruction, views: Views) -> Call:
    """Dst = function(lhs, rhs)."""
    assert isinstance(instr, isa.TensorTensor)
    return _apply(BY_CODE[instr.function], views["dst"], views["lhs"], views["rhs"])


@_kernel(isa.TensorScalar)
def _tensor_scalar(instr: Instruction, views: Views) -> Call:
    """Dst = function1(function0(src, a), b)."""
    assert isinstance(instr, isa.TensorScalar)
    dst, src = views["dst"], views["src"]
    first = views.get("scalar0", _immediate(instr.immediate0, src.dtype))
    one = _Step(instr.function0, instr.reverse0, first)
    if not instr.function1:
        return one.call(dst, src)
    second = views.get("scalar1", _immediate(instr.immediate1, dst.dtype))
    return _both(dst, src, one, _Step(instr.function1, instr.reverse1, second))


@_kernel(isa.ScalarTensorTensor)
def _scalar_tensor_tensor(instr: Instruction, views: Views) -> Call:
    """Dst = function1(function0(src, a), tensor)."""
    assert isinstance(instr, isa.ScalarTensorTensor)
    dst, src = views["dst"], views["src"]
    scalar = views.get("scalar", _immediate(instr.immediate, src.dtype))
    one = _Step(instr.function0, instr.reverse0, scalar)
    return _both(dst, src, one, _Step(instr.function1, instr.reverse1, views["tensor"]))


@_kernel(isa.TensorReduce)
def _tensor_reduce(instr: Instruction, views: Views) -> Call:
    """Dst = src reduced over its last `axes` dimensions."""
    assert isinstance(instr, isa.TensorReduce)
    dst, src = views["dst"], views["src"]
    ufunc = _REDUCTION_BY_CODE[instr.function].ufunc
    reduce = ufunc.reduce
    axes = tuple(range(src.ndim - instr.axes, src.ndim))
    if src.dtype == dst.dtype and _is_native(src.dtype):
        short = 1 < prod(src.shape[-instr.axes :]) <= _SHORT_MAX
        if short and dst.size >= _LONG_MIN and not np.may_share_memory(dst, src):
            return _by_taps(ufunc, dst, src, instr.axes)
        dtype = dst.dtype
        return lambda: reduce(src, axis=axes, dtype=dtype, out=dst)
    return lambda: np.copyto(
        dst, cast(reduce(src.astype(np.float32), axis=axes), dst.dtype), casting="unsafe"
    )


def _by_taps(ufunc: np.ufunc, dst: Array, src: Array, axes: int) -> Call:
    """Reduce a few elements of each of many rows: the first of all rows, then the second..."""
    first, *others = (src[(..., *at)] for at in np.ndindex(src.shape[-axes:]))

    def reduce() -> None:
        np.copyto(dst, first)
        for other in others:
            ufunc(dst, other, out=dst)

    return reduce


@_kernel(isa.Select)
def _select(instr: Instruction, views: Views) -> Call:
    """Dst = on_true where predicate else on_false."""
    dst, on_true, on_false = views["dst"], views["on_true"], views["on_false"]
    predicate = views["predicate"]

    if np.may_share_memory(dst, on_true):
        return lambda: np.copyto(dst, on_false, where=np.logical_not(predicate))
    if dst.flags.c_contiguous and dst.itemsize in _WORDS:
        into = FUNCTIONS["select"].into
        assert into is not None
        return lambda: into(predicate, on_true, on_false, out=dst)

    def choose() -> None:
        np.copyto(dst, on_false)
        np.copyto(dst, on_true, where=predicate)

    return choose


@_kernel(isa.Copy)
def _copy(instr: Instruction, views: Views) -> Call:
    """Dst = src, converted."""
    return _convert(views["dst"], views["src"])


@_kernel(isa.Memset)
def _memset(instr: Instruction, views: Views) -> Call:
    """Dst = value."""
    assert isinstance(instr, isa.Memset)
    dst, value = views["dst"], _immediate(instr.value, views["dst"].dtype)
    return lambda: np.copyto(dst, value)


@_kernel(isa.Activation)
def _activation(instr: Instruction, views: Views) -> Call:
    """Dst = function(scale * src + bias), and its row sums."""
    assert isinstance(instr, isa.Activation)
    dst, src, row = views["dst"], views["src"], BY_CODE[instr.function]
    bias, scale, total = views.get("bias"), np.float32(instr.scale), views.get("row_sum")
    if bias is None and instr.scale == 1.0 and total is None:
        return _apply(row, dst, src)

    into = row.in_place(_FLOAT)
    # What is read later must outlive what is written first.
    reads_dst = bias is not None and np.may_share_memory(dst, bias)
    if {dst.dtype, src.dtype} == {_FLOAT} and not reads_dst:
        return _activate_there(into, views, scale)

    def activate() -> None:
        value = np.multiply(src, scale, dtype=np.float32, casting="unsafe")
        if bias is not None:
            np.add(value, bias, out=value, casting="unsafe")
        into(value, out=value)
        np.copyto(dst, value, casting="unsafe")
        if total is not None:
            np.copyto(total, value.sum(-1, keepdims=True), casting="unsafe")

    return activate


def _activate_there(into: InPlace, views: Views, scale: np.float32) -> Call:
    """The same in the place of a float32 result, which need not be copied there."""
    dst, src, bias, total = views["dst"], views["src"], views.get("bias"), views.get("row_sum")
    given = src if scale == 1 else dst

    def activate() -> None:
        if scale != 1:
            np.multiply(src, scale, out=dst)
        if bias is None:
            into(given, out=dst)
        else:
            np.add(given, bias, out=dst, casting="unsafe")
            into(dst, out=dst)
        if total is not None:
            np.copyto(total, np.add.reduce(dst, axis=-1, keepdims=True), casting="unsafe")

    return activate


@_kernel(isa.Elementwise)
def _elementwise(instr: Instruction, views: Views) -> Call:
    """Dst = function(src)."""
    assert isinstance(instr, isa.Elementwise)
    return _apply(BY_CODE[instr.function], views["dst"], views["src"])


@_kernel(isa.Iota)
def _iota(instr: Instruction, views: Views) -> Call:
    """dst[p, i...] = base + p * partition_step + sum(i * steps)."""
    assert isinstance(instr, isa.Iota)
    dst = views["dst"]
    steps = (instr.partition_step, instr.step0, instr.step1, instr.step2, instr.step3)
    total = np.full((1,) * dst.ndim, instr.base, np.int32)
    for d, (count, step) in enumerate(zip(dst.shape, steps, strict=False)):
        line = np.arange(count, dtype=np.int32) * np.int32(step)
        total = total + line.reshape((-1,) + (1,) * (dst.ndim - 1 - d))
    return lambda: np.copyto(dst, total)


@_kernel(isa.DmaCopy)
def _dma_copy(instr: Instruction, views: Views) -> Call:
    """Dst = src, or combined."""
    assert isinstance(instr, isa.DmaCopy)
    dst, src = views["dst"], views["src"]
    if instr.accumulate:
        return _apply(BY_CODE[instr.accumulate], dst, dst, src)
    return _convert(dst, src)


def _apply(row: Function, dst: Array, *sources: Array) -> Call:
    """Dst = row(sources), in place where that is exact."""
    kinds = {s.dtype for s in sources}
    same = len(kinds) == 1 and row.result_dtype(sources[-1].dtype) == dst.dtype
    if same and _is_native(sources[0].dtype):
        into = row.in_place(sources[0].dtype)
        return lambda: into(*sources, out=dst)
    made = (np.dtype(np.bool_),) if row.result == "bool" else _FLOATS
    if dst.dtype in made and kinds <= {*_FLOATS} and row.in_place(_FLOAT) is row.into:
        return _widely(row.in_place(_FLOAT), dst, sources)
    return lambda: np.copyto(dst, row.evaluate(*sources), casting="unsafe")


def _widely(into: InPlace, dst: Array, sources: tuple[Array, ...]) -> Call:
    """In float32, rounded once at the end; what is repeated is converted once."""
    once = [s[tuple(slice(None if step else 1) for step in s.strides)] for s in sources]

    def run() -> None:
        wide = [source.astype(np.float32, order="C", copy=False) for source in once]
        value = dst if dst.dtype == np.bool_ else np.empty(dst.shape, np.float32)
        into(*wide, out=value)
        if value is not dst:
            np.copyto(dst, value, casting="unsafe")

    return run


@dataclass(frozen=True)
class _Step:
    """One function of a value and something else, in either order."""

    code: int
    reverse: int
    other: Array

    def ordered(self, value: Array, other: Array) -> tuple[Array, Array]:
        """The arguments as the function takes them."""
        return (other, value) if self.reverse else (value, other)

    def call(self, dst: Array, src: Array) -> Call:
        """Dst = function(src, other)."""
        return _apply(BY_CODE[self.code], dst, *self.ordered(src, self.other))

    def wide(self, value: Array) -> Array:
        """The same of a float32 value, in float32."""
        return BY_CODE[self.code].evaluate(*self.ordered(value, self.other.astype(np.float32)))


def _both(dst: Array, src: Array, one: _Step, two: _Step) -> Call:
    """Two functions: small floats stay float32 between them, so that they round once."""
    if not _is_native(dst.dtype):
        return lambda: np.copyto(dst, two.wide(one.wide(src.astype(np.float32))), casting="unsafe")
    # What the second function also reads must outlive what the first one writes.
    between = np.empty_like(dst) if np.may_share_memory(dst, two.other) else dst
    first, second = one.call(between, src), two.call(dst, between)

    def run() -> None:
        first()
        second()

    return run


def _convert(dst: Array, src: Array) -> Call:
    """Copy, converting by StableHLO's rules where a plain C cast would not follow them."""
    to, from_ = dst.dtype, src.dtype
    if to == from_ or (_is_float(to) and _is_native(from_)) or (_is_float(to) and _is_float(from_)):
        return lambda: np.copyto(dst, src, casting="unsafe")
    return lambda: np.copyto(dst, cast(src, to))


def _immediate(value: float, dtype: np.dtype) -> Array:
    """A constant in the operand's type."""
    if dtype.kind in "iu":
        return np.asarray(int(value)).astype(dtype)
    return np.asarray(value).astype(dtype)


def _is_native(dtype: np.dtype) -> bool:
    """Whether NumPy computes in the type itself; the small floats go through float32."""
    return dtype.kind in "biu" or dtype == _FLOAT


def _is_float(dtype: np.dtype) -> bool:
    return dtype.kind in "fV" and dtype.name != "float8_e8m0fnu"
