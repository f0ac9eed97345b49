"""Reductions over the last dimensions of a view: a row at a time, or an element of all rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.lib.stride_tricks import as_strided

from neuronc.numerics import REDUCTIONS, cast
from neuronc.runtime.apply import Call, is_native
from neuronc.runtime.memory import Array

_BY_CODE = {row.code: row for row in REDUCTIONS.values()}
_SHORT_MAX, _LONG_MIN = 16, 1024
"""Reductions of at most so many elements, to at least so many, are not done a row at a time."""
_PIECE = 1 << 16
"""Elements of what is made between two steps, so that it stays in cache."""
_EXACT = (np.maximum, np.minimum)
"""Functions of which the order does not matter."""


def reduce(code: int, dst: Array, src: Array, axes: int) -> Call:
    """Dst = src reduced over its last `axes` dimensions."""
    ufunc = _BY_CODE[code].ufunc
    function = ufunc.reduce
    last = tuple(range(-axes, 0))
    if src.dtype == dst.dtype and is_native(src.dtype):
        short = 1 < prod(src.shape[-axes:]) <= _SHORT_MAX
        if short and dst.size >= _LONG_MIN and not np.may_share_memory(dst, src):
            return _by_windows(ufunc, dst, src, axes) or _by_taps(ufunc, dst, src, axes)
        dtype = dst.dtype
        return lambda: function(src, axis=last, dtype=dtype, out=dst)
    return lambda: np.copyto(
        dst, cast(function(src.astype(np.float32), axis=last), dst.dtype), casting="unsafe"
    )


def _by_taps(ufunc: np.ufunc, dst: Array, src: Array, axes: int) -> Call:
    """Reduce a few elements of each of many rows: the first of all rows, then the second..."""
    taps = [src[(..., *at)] for at in np.ndindex(src.shape[-axes:])]
    return lambda: _fold(ufunc, taps, dst)


def _by_windows(ufunc: np.ufunc, dst: Array, src: Array, axes: int) -> Call | None:
    """Reduce windows first along whole rows, which NumPy does in vectors, and then each row.

    [P, Y, X, TY, TX] becomes [P, Y, run] and then [P, Y, X]. None where windows of a row have gaps
    between them, or the order of a function counts.
    """
    size, last = src.itemsize, dst.ndim - 1
    step, taps = src.strides[last] // size, src.shape[-1]
    if ufunc not in _EXACT or axes < 2 or last < 1 or src.strides[-1] != size:
        return None
    if not 0 < step <= taps or src.strides[last] % size:
        return None
    run = (dst.shape[-1] - 1) * step + taps
    above = src.shape[last + 1 : -1]
    shape = (*src.shape[:last], *above, run)
    strides = (*src.strides[:last], *src.strides[last + 1 : -1], size)
    rows = as_strided(src, shape, strides, writeable=False)
    lines = [rows[(*[slice(None)] * last, *at)] for at in np.ndindex(above)]
    count = max(1, _PIECE // (prod(dst.shape[1:-1]) * run))

    def piece(start: int) -> None:
        part = slice(start, start + count)
        between = np.empty((*dst[part].shape[:-1], run), dst.dtype)
        _fold(ufunc, [line[part] for line in lines], between)
        columns = [between[..., at : run - taps + at + 1 : step] for at in range(taps)]
        _fold(ufunc, columns, dst[part])

    def run_all() -> None:
        for start in range(0, len(dst), count):
            piece(start)

    return run_all


def _fold(ufunc: np.ufunc, parts: Sequence[Array], out: Array) -> None:
    """Out = a function of all parts, in order."""
    if len(parts) == 1:
        np.copyto(out, parts[0])
        return
    ufunc(parts[0], parts[1], out=out)
    for part in parts[2:]:
        ufunc(out, part, out=out)
