"""A choice between two blocks, an element at a time."""

from __future__ import annotations

import numpy as np

from neuronc.numerics import FUNCTIONS
from neuronc.runtime.apply import Call
from neuronc.runtime.memory import Array

_WORDS = (1, 2, 4, 8)


def select(dst: Array, predicate: Array, on_true: Array, on_false: Array) -> Call:
    """Dst = on_true where predicate else on_false."""
    if _is_same(dst, on_true):
        return lambda: np.copyto(dst, on_false, where=np.logical_not(predicate))
    if dst.flags.c_contiguous and dst.itemsize in _WORDS:
        into = FUNCTIONS["select"].into
        assert into is not None
        return lambda: into(predicate, on_true, on_false, out=dst)

    def choose() -> None:
        np.copyto(dst, on_false)
        np.copyto(dst, on_true, where=predicate)

    return choose


def _is_same(one: Array, other: Array) -> bool:
    """Whether two arrays are the same elements of one memory, not only in one stretch of it."""
    places = ((array.ctypes.data, array.shape, array.strides) for array in (one, other))
    return len(set(places)) == 1
