"""Reductions over the last dimensions of a view: a row at a time, or an element of all rows."""

from __future__ import annotations

from math import prod

import numpy as np

from neuronc.numerics import REDUCTIONS, cast
from neuronc.runtime.apply import Call, is_native
from neuronc.runtime.memory import Array

_BY_CODE = {row.code: row for row in REDUCTIONS.values()}
_SHORT_MAX, _LONG_MIN = 16, 1024
"""Reductions of at most so many elements, to at least so many, are not done a row at a time."""


def reduce(code: int, dst: Array, src: Array, axes: int) -> Call:
    """Dst = src reduced over its last `axes` dimensions."""
    ufunc = _BY_CODE[code].ufunc
    function = ufunc.reduce
    last = tuple(range(-axes, 0))
    if src.dtype == dst.dtype and is_native(src.dtype):
        short = 1 < prod(src.shape[-axes:]) <= _SHORT_MAX
        if short and dst.size >= _LONG_MIN and not np.may_share_memory(dst, src):
            return _by_taps(ufunc, dst, src, axes)
        dtype = dst.dtype
        return lambda: function(src, axis=last, dtype=dtype, out=dst)
    return lambda: np.copyto(
        dst, cast(function(src.astype(np.float32), axis=last), dst.dtype), casting="unsafe"
    )


def _by_taps(ufunc: np.ufunc, dst: Array, src: Array, axes: int) -> Call:
    """Reduce a few elements of each of many rows: the first of all rows, then the second..."""
    first, *others = (src[(..., *at)] for at in np.ndindex(src.shape[-axes:]))

    def run() -> None:
        np.copyto(dst, first)
        for other in others:
            ufunc(dst, other, out=dst)

    return run
