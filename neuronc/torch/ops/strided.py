"""Walks through a tensor as it lies in memory, by sizes and strides."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from neuronc.torch.building.values import Value, shape_of
from neuronc.torch.layouts import memory_order, walk
from neuronc.torch.ops.indexing import COMBINE, take
from neuronc.torch.scope import Scope
from neuronc.torch.table import aten, prims

Sizes = Sequence[int]


@aten("as_strided", "as_strided_copy")
def as_strided(s: Scope, x: Value, size: Sizes, stride: Sizes, offset: int | None = None) -> Value:
    """Any walk through the elements, as they lie in memory."""
    at = walk(s.val(0), size, stride, offset)
    assert at is not None, "the graph was checked"
    flat = _flat_in_memory(s, x)
    first = int(at.flat[0]) if at.size else 0
    if at.size and (at.reshape(-1) == first + np.arange(at.size)).all():
        return s.b.reshape(s.b.slice_dim(flat, 0, first, first + at.size), s.out.shape)
    return take(s.b, flat, s.b.array(at.astype(np.int32)), 0)


@aten("as_strided_scatter")
@prims("as_strided_scatter")
def as_strided_scatter(
    s: Scope, x: Value, part: Value, size: Sizes, stride: Sizes, offset: int | None = None
) -> Value:
    """The tensor with such a walk written over."""
    at = walk(s.val(0), size, stride, offset)
    assert at is not None, "the graph was checked"
    flat, new = _flat_in_memory(s, x), s.b.reshape(s.cast(part), (at.size,))
    if np.array_equal(at.reshape(-1), np.arange(prod(shape_of(x)))):
        written = new
    else:
        column = s.b.array(at.astype(np.int32).reshape(-1, 1))
        written = s.b.scatter(flat, column, new, [], [0], [0], COMBINE["replace"])
    order = _memory_order(s)
    laid = s.b.reshape(written, tuple(shape_of(x)[d] for d in order))
    return s.b.transpose(laid, [order.index(d) for d in range(len(order))])


def _flat_in_memory(s: Scope, x: Value) -> Value:
    return s.b.reshape(s.b.transpose(x, list(_memory_order(s))), (prod(shape_of(x)),))


def _memory_order(s: Scope) -> tuple[int, ...]:
    """Of the first argument, which has no gaps."""
    order = memory_order(s.val(0))
    assert order is not None, "the graph was checked"
    return order
