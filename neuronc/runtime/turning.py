"""Transpose blocks of float32 with OpenBLAS, which works in tiles that stay in registers.

NumPy copies element by element: 128 x 128 whose rows are 12 KB apart took 117 us, OpenBLAS 7; with
rows that are close 16 and 5. It multiplies by 1.0, which makes a signalling NaN a quiet one, as an
engine that computes in float32 does; a DMA's bytes may stand for anything and are left to NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import as_strided

from neuronc.runtime.blas import Cblas, cblas
from neuronc.runtime.layouts import Call, distance, is_turned, keeping
from neuronc.runtime.memory import Array

_ROW_MAJOR, _TURNED = 101, 112
_FLOAT = np.dtype(np.float32)
_SIZE = _FLOAT.itemsize
_BLOCK_MIN = 1 << 10
"""Elements of each of several blocks that is worth a call."""


def bind_turned(dst: Array, src: Array) -> Call | None:
    """The call for dst = src, blocks one of which lies by rows and the other by columns.

    None where they lie otherwise, share memory, or there is no such function.
    """
    found = cblas()
    if found is None or found.somatcopy is None or {dst.dtype, src.dtype} != {_FLOAT}:
        return None
    if dst.shape != src.shape or np.may_share_memory(dst, src):
        return None
    calls = [_turned(found.somatcopy, found, *pair) for pair in _blocks(dst, src)]
    made = [call for call in calls if call is not None]
    if not made or len(made) < len(calls):
        return None
    return made[0] if len(made) == 1 else _in_turn(made)


def _turned(function: Callable[..., object], found: Cblas, dst: Array, src: Array) -> Call | None:
    """The call for one block."""
    if is_turned(dst):
        dst, src = dst.T, src.T
    if is_turned(dst) is not False or not is_turned(src):
        return None
    call = partial(
        function,
        *map(found.enum, (_ROW_MAJOR, _TURNED)),
        *map(found.integer, src.shape[::-1]),
        found.real(1.0),
        found.pointer(src.ctypes.data),
        found.integer(distance(src)),
        found.pointer(dst.ctypes.data),
        found.integer(distance(dst)),
    )
    return keeping(call, dst, src)


def _in_turn(calls: Sequence[Call]) -> Call:
    def run() -> None:
        for call in calls:
            call()

    return run


def _blocks(dst: Array, src: Array) -> Iterator[tuple[Array, Array]]:
    """The parts of both that are matrices, if such are all they have: one of two dimensions.

    Dimensions that follow one another in both are one: the taps [T, K, M] of a filter [M, (K, T)].
    """
    dims = zip(dst.shape, dst.strides, src.strides, strict=True)
    order = sorted((dim for dim in dims if dim[0] > 1), key=lambda dim: -dim[1])
    walk = order[:1]
    for count, step, other in order[1:]:
        before = walk[-1]
        if before[1:] == (step * count, other * count):
            walk[-1] = before[0] * count, step, other
        else:
            walk.append((count, step, other))
    loops = [dim for dim in walk if _SIZE not in dim[1:]]
    if len(walk) == 3 and len(loops) == 1:
        walk = [*loops, *(dim for dim in walk if dim not in loops)]
    elif len(walk) != 2:
        return
    shape, to, from_ = zip(*walk, strict=True)
    result = as_strided(dst, shape, to)
    source = as_strided(src, shape, from_, writeable=False)
    if len(walk) == 2:
        yield result, source
    elif result[0].size >= _BLOCK_MIN:
        yield from zip(result, source, strict=True)
