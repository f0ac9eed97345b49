"""What each instruction does, on views: one function a row of the table.

`KERNELS[cls](instruction, views)` returns the bound call: views are looked up and functions chosen
once, at load, so running is a flat loop over these calls. Floats are computed in float32 and
rounded once where the instruction writes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from neuronc.isa import instructions as isa
from neuronc.isa.table import Instruction
from neuronc.numerics import BY_CODE
from neuronc.runtime.activation import activate
from neuronc.runtime.apply import FLOAT, Call, Step, Views, apply, both, convert, immediate
from neuronc.runtime.reduction import reduce
from neuronc.runtime.selection import select
from neuronc.runtime.turning import bind_turned

Kernel = Callable[[Instruction, Views], Call]
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
    if stationary.dtype == FLOAT and stationary.ndim == moving.ndim == dst.ndim == 2:
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
        return bind_turned(dst, turned) or (lambda: np.copyto(dst, turned))
    rows = len(src)
    return lambda: np.copyto(dst, src.reshape(rows, -1).T.reshape(dst.shape))


@_kernel(isa.TensorTensor)
def _tensor_tensor(instr: Instruction, views: Views) -> Call:
    """Dst = function(lhs, rhs)."""
    assert isinstance(instr, isa.TensorTensor)
    return apply(BY_CODE[instr.function], views["dst"], views["lhs"], views["rhs"])


@_kernel(isa.TensorScalar)
def _tensor_scalar(instr: Instruction, views: Views) -> Call:
    """Dst = function1(function0(src, a), b)."""
    assert isinstance(instr, isa.TensorScalar)
    dst, src = views["dst"], views["src"]
    first = views.get("scalar0", immediate(instr.immediate0, src.dtype))
    one = Step(instr.function0, instr.reverse0, first)
    if not instr.function1:
        return one.call(dst, src)
    second = views.get("scalar1", immediate(instr.immediate1, dst.dtype))
    return both(dst, src, one, Step(instr.function1, instr.reverse1, second))


@_kernel(isa.ScalarTensorTensor)
def _scalar_tensor_tensor(instr: Instruction, views: Views) -> Call:
    """Dst = function1(function0(src, a), tensor)."""
    assert isinstance(instr, isa.ScalarTensorTensor)
    dst, src = views["dst"], views["src"]
    scalar = views.get("scalar", immediate(instr.immediate, src.dtype))
    one = Step(instr.function0, instr.reverse0, scalar)
    return both(dst, src, one, Step(instr.function1, instr.reverse1, views["tensor"]))


@_kernel(isa.TensorReduce)
def _tensor_reduce(instr: Instruction, views: Views) -> Call:
    """Dst = src reduced over its last `axes` dimensions."""
    assert isinstance(instr, isa.TensorReduce)
    if "lhs" in views:
        # Products that are for this sum alone (`dots`).
        dst, lhs, rhs = views["dst"], views["lhs"], views["rhs"]
        return lambda: np.vecdot(lhs, rhs, out=dst)
    return reduce(instr.function, views["dst"], views["src"], instr.axes)


@_kernel(isa.Select)
def _select(instr: Instruction, views: Views) -> Call:
    """Dst = on_true where predicate else on_false."""
    return select(views["dst"], views["predicate"], views["on_true"], views["on_false"])


@_kernel(isa.Copy)
def _copy(instr: Instruction, views: Views) -> Call:
    """Dst = src, converted."""
    dst, src = views["dst"], views["src"]
    return bind_turned(dst, src) or convert(dst, src)


@_kernel(isa.Memset)
def _memset(instr: Instruction, views: Views) -> Call:
    """Dst = value."""
    assert isinstance(instr, isa.Memset)
    dst, value = views["dst"], immediate(instr.value, views["dst"].dtype)
    return lambda: np.copyto(dst, value)


@_kernel(isa.Activation)
def _activation(instr: Instruction, views: Views) -> Call:
    """Dst = function(scale * src + bias), and its row sums."""
    assert isinstance(instr, isa.Activation)
    return activate(BY_CODE[instr.function], views, np.float32(instr.scale))


@_kernel(isa.Elementwise)
def _elementwise(instr: Instruction, views: Views) -> Call:
    """Dst = function(src)."""
    assert isinstance(instr, isa.Elementwise)
    return apply(BY_CODE[instr.function], views["dst"], views["src"])


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
        return apply(BY_CODE[instr.accumulate], dst, dst, src)
    return convert(dst, src)
