"""Transpose a block of float32 with OpenBLAS, which works in tiles that stay in registers.

NumPy copies element by element: 128 x 128 whose rows are 12 KB apart took 117 us, OpenBLAS 7; with
rows that are close 16 and 5. It multiplies by 1.0, which makes a signalling NaN a quiet one, as an
engine that computes in float32 does; a DMA's bytes may stand for anything and are left to NumPy.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from neuronc.runtime.blas import cblas
from neuronc.runtime.gemm import Call, distance, is_turned, keeping
from neuronc.runtime.memory import Array

_ROW_MAJOR, _TURNED = 101, 112
_FLOAT = np.dtype(np.float32)


def bind_turned(dst: Array, src: Array) -> Call | None:
    """The call for dst[M, N] = src[M, N], one of which lies by rows and the other by columns.

    None where they lie otherwise, share memory, or there is no such function.
    """
    found = cblas()
    if found is None or found.somatcopy is None or {dst.dtype, src.dtype} != {_FLOAT}:
        return None
    if dst.ndim != 2 or dst.shape != src.shape or 1 in dst.shape:
        return None
    if is_turned(dst):
        dst, src = dst.T, src.T
    if is_turned(dst) is not False or not is_turned(src) or np.may_share_memory(dst, src):
        return None
    call = partial(
        found.somatcopy,
        *map(found.enum, (_ROW_MAJOR, _TURNED)),
        *map(found.integer, src.shape[::-1]),
        found.real(1.0),
        found.pointer(src.ctypes.data),
        found.integer(distance(src)),
        found.pointer(dst.ctypes.data),
        found.integer(distance(dst)),
    )
    return keeping(call, dst, src)
