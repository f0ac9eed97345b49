"""The scalar engine's function(scale * src + bias) and row sums, in place where that is exact."""

from __future__ import annotations

import numpy as np

from neuronc.numerics import Function
from neuronc.numerics.in_place import InPlace
from neuronc.runtime.apply import FLOAT, Call, Views, apply
from neuronc.runtime.memory import Array
from neuronc.runtime.rooms import PerThread, is_spread, room


def activate(row: Function, views: Views, scale: np.float32) -> Call:
    """Dst = row(scale * src + bias), and its row sums."""
    dst, src = views["dst"], views["src"]
    bias, total = views.get("bias"), views.get("row_sum")
    if bias is None and scale == 1 and total is None:
        return apply(row, dst, src)

    into = row.in_place(FLOAT)
    # What is read later must outlive what is written first.
    reads_dst = bias is not None and np.may_share_memory(dst, bias)
    if {dst.dtype, src.dtype} == {FLOAT} and not reads_dst:
        if is_spread(dst):
            return PerThread(
                lambda: _by_way_of(room("between", dst.shape, FLOAT), into, views, scale)
            )
        return _by_way_of(dst, into, views, scale)

    def run() -> None:
        value = np.multiply(src, scale, dtype=np.float32, casting="unsafe")
        if bias is not None:
            np.add(value, bias, out=value, casting="unsafe")
        into(value, out=value)
        np.copyto(dst, value, casting="unsafe")
        if total is not None:
            np.copyto(total, value.sum(-1, keepdims=True), casting="unsafe")

    return run


def _by_way_of(between: Array, into: InPlace, views: Views, scale: np.float32) -> Call:
    """The same of float32; what the function is applied to is made in `between`."""
    dst, src, bias, total = views["dst"], views["src"], views.get("bias"), views.get("row_sum")
    given = src if scale == 1 else between
    straight = (
        total is not None
        and (total.dtype, total.shape) == (FLOAT, (*dst.shape[:-1], 1))
        and not np.may_share_memory(dst, total)
    )

    def run() -> None:
        if scale != 1:
            np.multiply(src, scale, out=between)
        if bias is None:
            into(given, out=dst)
        else:
            np.add(given, bias, out=between, casting="unsafe")
            into(between, out=dst)
        if straight:
            np.add.reduce(dst, axis=-1, keepdims=True, out=total)
        elif total is not None:
            np.copyto(total, np.add.reduce(dst, axis=-1, keepdims=True), casting="unsafe")

    return run
