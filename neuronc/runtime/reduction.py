"""Reductions over the last dimensions of a view: a row at a time, or an element of all rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.lib.stride_tricks import as_strided

from neuronc.numerics import REDUCTIONS, cast
from neuronc.runtime.apply import FLOAT, Call, is_native
from neuronc.runtime.memory import Array
from neuronc.runtime.rooms import PerThread, room
from neuronc.runtime.turning import bind_turned

_BY_CODE = {row.code: row for row in REDUCTIONS.values()}
_SHORT_MAX, _LONG_MIN = 16, 1024
"""Reductions of at most so many elements, to at least so many, are not done a row at a time."""
_PIECE = 1 << 16
"""Elements of what is made between two steps, so that it stays in cache."""
_EXACT = (np.maximum, np.minimum)
"""Functions of which the order does not matter."""
_TURNED_MAX = 128
"""Elements of a row up to which it pays to transpose as many rows, or more."""


def reduce(code: int, dst: Array, src: Array, axes: int) -> Call:
    """Dst = src reduced over its last `axes` dimensions."""
    ufunc = _BY_CODE[code].ufunc
    function = ufunc.reduce
    last = tuple(range(-axes, 0))
    if src.dtype == dst.dtype and is_native(src.dtype):
        short = 1 < prod(src.shape[-axes:]) <= _SHORT_MAX
        if short and dst.size >= _LONG_MIN and not np.may_share_memory(dst, src):
            return _by_windows(ufunc, dst, src, axes) or _by_taps(ufunc, dst, src, axes)
        call = _of_rows(ufunc, dst, src, axes)
        if call is not None:
            return call
        dtype = dst.dtype
        return lambda: function(src, axis=last, dtype=dtype, out=dst)
    return lambda: np.copyto(
        dst, cast(function(src.astype(np.float32), axis=last), dst.dtype), casting="unsafe"
    )


def _of_rows(ufunc: np.ufunc, dst: Array, src: Array, axes: int) -> Call | None:
    """Reduce each of many short rows; None where there are few, or the order counts."""
    rows = _matrix(src, axes)
    if rows is None or ufunc not in _EXACT or src.dtype != FLOAT or np.may_share_memory(dst, src):
        return None
    if not 1 < rows.shape[1] <= min(_TURNED_MAX, len(rows)):
        return None
    return PerThread(lambda: _by_columns(ufunc, dst, rows))


def _by_columns(ufunc: np.ufunc, dst: Array, rows: Array) -> Call:
    """Reduce the columns of the transposed rows, of which NumPy does eight or sixteen at a time.

    It takes a tenth of a microsecond for each row, however short: 39 us for 512 of 128, so 15.
    """
    columns, result = room("rows", rows.shape[::-1], FLOAT), room("reduced", dst.shape, FLOAT)
    turn = bind_turned(columns, rows.T) or (lambda: np.copyto(columns, rows.T))
    into = result.reshape(-1)

    def run() -> None:
        turn()
        ufunc.reduce(columns, axis=0, out=into)
        np.copyto(dst, result)

    return run


def _matrix(src: Array, axes: int) -> Array | None:
    """The last `axes` dimensions as columns, the others as rows; None if they have uneven steps."""
    shape: list[int] = []
    strides: list[int] = []
    for dims in (range(src.ndim - axes), range(src.ndim - axes, src.ndim)):
        count, step = 1, src.itemsize
        for axis in reversed(dims):
            if src.shape[axis] == 1:
                continue
            if count > 1 and src.strides[axis] != count * step:
                return None
            step = step if count > 1 else src.strides[axis]
            count *= src.shape[axis]
        shape.append(count)
        strides.append(step)
    return as_strided(src, shape, strides, writeable=False)


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
