"""DMA to and from computed addresses, and library calls: views that depend on data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from neuronc.artifact.model import LibraryCall, LibraryOperand
from neuronc.dtypes import BY_CODE, BY_NAME
from neuronc.errors import ArtifactError
from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory, Operand
from neuronc.numerics import BY_CODE as FUNCTIONS
from neuronc.runtime.library import LIBRARY, ResultType
from neuronc.runtime.memory import Array, Bytes, Core, hbm_view, window

Call = Callable[[], object]
Ints = NDArray[np.integer]


def bind_gather(instr: isa.DmaGather, core: Core, buffers: Sequence[Bytes]) -> Call:
    """dst[i, ...] = src[index[i] * step + ...]; negative indices are skipped."""
    dst = _view(instr.dst, core, buffers)
    index = _index(instr.index, core)
    at, rows = _windows(instr.src, instr.index_step, buffers), _rows(instr.src, instr, buffers)
    together = len(rows) > 0 and rows.shape[1:] == dst.shape[1:]
    together = together and not np.may_share_memory(dst, rows)

    def gather() -> None:
        if together and index.max(initial=-1) < len(rows):
            lanes = np.flatnonzero(index >= 0)
            dst[lanes] = rows[index[lanes]]
            return
        for lane, number in enumerate(index.tolist()):
            if number >= 0:
                np.copyto(dst[lane, ...], at(number))

    return gather


def bind_scatter(instr: isa.DmaScatter, core: Core, buffers: Sequence[Bytes]) -> Call:
    """dst[index[i] * step + ...] = src[i, ...] in order, or combined; negative ones are skipped."""
    src = _view(instr.src, core, buffers)
    index = _index(instr.index, core)
    at, rows = _windows(instr.dst, instr.index_step, buffers), _rows(instr.dst, instr, buffers)
    combine = FUNCTIONS[instr.accumulate].evaluate if instr.accumulate else None
    together = len(rows) > 0 and rows.shape[1:] == src.shape[1:]
    together = together and not np.may_share_memory(src, rows)
    reach = _reach(rows)

    def scatter() -> None:
        if together and index.max(initial=-1) < len(rows):
            order, gaps = _sorted(index)
            if not ((gaps > 0) & (gaps < reach)).any():
                for lanes in _apart(order, gaps):
                    into, values = index[lanes], src[lanes]
                    rows[into] = combine(rows[into], values) if combine else values
                return
        for lane, number in enumerate(index.tolist()):
            if number >= 0:
                target = at(number)
                np.copyto(target, combine(target, src[lane, ...]) if combine else src[lane, ...])

    return scatter


def _index(operand: Operand, core: Core) -> Ints:
    """The indices, where they lie."""
    return cast("Ints", core.view(operand).reshape(-1))


def _sorted(index: Ints) -> tuple[Ints, Ints]:
    """The lanes to do, in order of their indices, and how far each index is from the one before."""
    lanes = np.flatnonzero(index >= 0)
    lanes = lanes[np.argsort(index[lanes], kind="stable")]
    return lanes, np.diff(index[lanes])


def _apart(order: Ints, gaps: Ints) -> Iterator[Ints]:
    """Sorted lanes in groups of distinct indices; of equal indices each group has the next."""
    if not order.size:
        return
    positions = np.arange(len(order))
    starts = np.concatenate([[True], gaps > 0])
    turn = positions - np.maximum.accumulate(np.where(starts, positions, 0))
    for number in range(int(turn.max()) + 1):
        yield order[turn == number]


def bind_library(call: LibraryCall, buffers: Sequence[Bytes]) -> Call:
    """Run a library function on whole buffers.

    Raises:
        ArtifactError: if the runtime has no such function.
    """
    if call.function not in LIBRARY:
        hint = "the file is damaged, or a newer neuronc wrote it; compile the model again"
        problem = f"{call.function!r} is not a library function"
        raise ArtifactError("library", problem, hint, code="NRC-0508")
    function, params = LIBRARY[call.function], json.loads(call.params)
    operands = [_whole(o, buffers) for o in call.inputs]
    results = [_whole(o, buffers) for o in call.outputs]
    types = [ResultType(o.shape, BY_NAME[o.dtype].numpy) for o in call.outputs]

    def run() -> None:
        for target, value in zip(results, function(params, operands, types), strict=True):
            np.copyto(target, value, casting="unsafe")

    return run


def _view(operand: Operand, core: Core, buffers: Sequence[Bytes]) -> Array:
    return hbm_view(operand, buffers) if operand.memory is Memory.HBM else core.view(operand)


def _windows(operand: Operand, step: int, buffers: Sequence[Bytes]) -> Callable[[int], Array]:
    """The window of an HBM operand at an index; bounds are checked at every access."""
    dtype = BY_CODE[operand.dtype].numpy
    base, strides = buffers[operand.buffer], tuple(s * dtype.itemsize for s in operand.steps)
    scale, shape, offset = step * dtype.itemsize, operand.counts, operand.offset
    return lambda index: window(base, shape, dtype, offset + index * scale, strides)


def _rows(
    operand: Operand, instr: isa.DmaGather | isa.DmaScatter, buffers: Sequence[Bytes]
) -> Array:
    """The windows at all indices that lie inside, which may overlap; none if steps go backwards."""
    dtype, base = BY_CODE[operand.dtype].numpy, buffers[operand.buffer]
    strides = tuple(step * dtype.itemsize for step in operand.steps)
    scale = instr.index_step * dtype.itemsize
    pairs = zip(operand.counts, strides, strict=True)
    span = dtype.itemsize + sum((count - 1) * stride for count, stride in pairs)
    room = base.nbytes - operand.offset - span
    if min(strides, default=0) < 0 or scale <= 0 or room < 0:
        return np.empty((0, *operand.counts), dtype)
    shape = (room // scale + 1, *operand.counts)
    return window(base, shape, dtype, operand.offset, (scale, *strides))


def _reach(rows: Array) -> int:
    """Windows from one on that share a byte with it, or might, itself counted."""
    if not len(rows):
        return 0
    pairs = zip(rows.shape[1:], rows.strides[1:], strict=True)
    span = rows.itemsize + sum((count - 1) * stride for count, stride in pairs)
    return -(-span // rows.strides[0])


def _whole(operand: LibraryOperand, buffers: Sequence[Bytes]) -> Array:
    dtype = BY_NAME[operand.dtype].numpy
    size = dtype.itemsize * int(np.prod(operand.shape))
    return buffers[operand.argument][:size].view(dtype).reshape(operand.shape)
