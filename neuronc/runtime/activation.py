"""The scalar engine's function(scale * src + bias) and row sums, in place where that is exact."""

from __future__ import annotations

import numpy as np

from neuronc.numerics import Function
from neuronc.numerics.in_place import InPlace
from neuronc.runtime.apply import FLOAT, Call, Views, apply


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
        return _there(into, views, scale)

    def run() -> None:
        value = np.multiply(src, scale, dtype=np.float32, casting="unsafe")
        if bias is not None:
            np.add(value, bias, out=value, casting="unsafe")
        into(value, out=value)
        np.copyto(dst, value, casting="unsafe")
        if total is not None:
            np.copyto(total, value.sum(-1, keepdims=True), casting="unsafe")

    return run


def _there(into: InPlace, views: Views, scale: np.float32) -> Call:
    """The same in the place of a float32 result, which need not be copied there."""
    dst, src, bias, total = views["dst"], views["src"], views.get("bias"), views.get("row_sum")
    given = src if scale == 1 else dst
    straight = (
        total is not None
        and (total.dtype, total.shape) == (FLOAT, (*dst.shape[:-1], 1))
        and not np.may_share_memory(dst, total)
    )

    def run() -> None:
        if scale != 1:
            np.multiply(src, scale, out=dst)
        if bias is None:
            into(given, out=dst)
        else:
            np.add(given, bias, out=dst, casting="unsafe")
            into(dst, out=dst)
        if straight:
            np.add.reduce(dst, axis=-1, keepdims=True, out=total)
        elif total is not None:
            np.copyto(total, np.add.reduce(dst, axis=-1, keepdims=True), casting="unsafe")

    return run
