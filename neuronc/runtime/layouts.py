"""Matrices as BLAS takes them: rows or columns contiguous, at a distance of elements."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from neuronc.runtime.memory import Array

Call = Callable[[], object]


def keeping(call: partial[object], *arrays: Array) -> Call:
    """The call, which holds on to the arrays that its addresses lead to."""
    setattr(call, "arrays", arrays)  # noqa: B010
    return call


def is_turned(array: Array) -> bool | None:
    """Whether columns, not rows, are contiguous; None if neither, or BLAS cannot take it."""
    (rows, columns), (down, across), size = array.shape, array.strides, array.itemsize
    if (columns == 1 or across == size) and (rows == 1 or _fits(down, columns * size, size)):
        return False
    if (rows == 1 or down == size) and (columns == 1 or _fits(across, rows * size, size)):
        return True
    return None


def _fits(step: int, least: int, size: int) -> bool:
    return step >= least and step % size == 0


def distance(array: Array) -> int:
    """Elements from one row, or one column, to the next."""
    (rows, columns), (down, across), size = array.shape, array.strides, array.itemsize
    if is_turned(array):
        return across // size if columns > 1 else rows
    return down // size if rows > 1 else columns
