"""Products whose rows lie in turns: what are J parts of K on the chip is one matrix in memory.

    dst[(2 heads, 64), N] = sum over j of values[128, j, heads, 64].T @ weights[128, j, N]
  becomes, for each head,
    dst[64, N] = values[(128, j), 64].T @ weights[(128, j), N]

J neighbouring keys of a cache lie on each partition, so that a DMA's runs are long: key J p + j is
in row p of part j. All parts together are the cache as it lies in HBM, which BLAS reads at the
speed of memory; only the other operand is copied together, and that is small.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import as_strided

from neuronc.runtime.gemm import bind_gemm
from neuronc.runtime.layouts import Call
from neuronc.runtime.memory import Array

RUN_MIN = 32
"""Columns of a run that is worth a product of its own."""
VECTORS_MAX = 2
"""Columns that are multiplied one by one: a matrix is packed first by BLAS, a vector's is not."""


def bind_interleaved(
    dst: Array, pairs: Sequence[tuple[Array, Array]], accumulate: bool, room: Array
) -> list[Call] | None:
    """The calls for dst (+)= the sum of left.T @ moving; `room` [K, N] is for the second operand.

    None where the left operands are not parts of one matrix, in a few long runs.
    """
    (left, moving), count = pairs[0], len(pairs)
    step, other = _step([one for one, _ in pairs]), _step([two for _, two in pairs])
    if left.ndim != 3 or moving.ndim != 2 or step is None or other is None:
        return None
    long = left.shape[2] >= RUN_MIN and left.strides[2] == left.itemsize
    if not long or left.strides[0] != count * step:
        return None
    rows, runs, size = left.shape
    whole = as_strided(left, (rows * count, runs, size), (step, *left.strides[1:]), writeable=False)
    shape, steps = (rows, count, moving.shape[1]), (moving.strides[0], other, moving.strides[1])
    apart = as_strided(moving, shape, steps, writeable=False)
    together = room.reshape(shape)
    calls: list[Call] = [lambda: np.copyto(together, apart)]
    width = 1 if moving.shape[1] <= VECTORS_MAX else moving.shape[1]
    for run in range(runs):
        for column in range(0, moving.shape[1], width):
            part = dst[run * size : (run + 1) * size, column : column + width]
            some = room[:, column : column + width]
            calls.append(bind_gemm(part, whole[:, run], some, accumulate))
    return calls


def _step(parts: Sequence[Array]) -> int | None:
    """Bytes from each to the next, if that is the same for all; they are alike otherwise."""
    first = parts[0]
    alike = {(part.shape, part.strides, part.dtype) for part in parts}
    steps = {b.ctypes.data - a.ctypes.data for a, b in pairwise(parts)}
    if len(alike) != 1 or len(steps) != 1 or first.dtype != np.float32:
        return None
    (step,) = steps
    return step if step > 0 else None
