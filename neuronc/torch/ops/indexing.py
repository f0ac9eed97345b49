"""Looking up and writing by index: whole rows where it can be, single elements where it must.

Indices are 32 bits wide: an index that is in range of a dimension fits, and torch raises for any
other. Negative ones count from the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, cast

import torch
from torch.fx import Node

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, element_of, shape_of
from neuronc.torch.ops.arithmetic import floored
from neuronc.torch.ops.reductions import highest, lowest
from neuronc.torch.ops.running import running
from neuronc.torch.ranges.interval import Range
from neuronc.torch.scope import Scope, axis, is_real
from neuronc.torch.table import Operand, aten

Combine = Callable[[Build, Value, Value], list[Value]]
COMBINE: dict[str, Combine] = {
    "replace": lambda b, old, new: [new],
    "sum": lambda b, old, new: [b.add(old, new)],
    "add": lambda b, old, new: [b.add(old, new)],
    "prod": lambda b, old, new: [b.multiply(old, new)],
    "multiply": lambda b, old, new: [b.multiply(old, new)],
    "amax": lambda b, old, new: [b.maximum(old, new)],
    "amin": lambda b, old, new: [b.minimum(old, new)],
}


def wrapped(b: Build, index: Value, extent: int, known: Range | None = None) -> Value:
    """An index as i32, with the negative ones counted from the end."""
    at = b.convert(index, "i32")
    if known is not None and known.low >= 0:
        return at
    negative = b.compare("LT", at, b.like(0, at))
    return b.select(negative, b.add(at, b.like(extent, at)), at)


def take(b: Build, x: Value, index: Value, dim: int) -> Value:
    """The entries of one dimension at index[...], which takes its place."""
    shape, places = shape_of(x), shape_of(index)
    rank = len(places)
    out = (*shape[:dim], *places, *shape[dim + 1 :])
    offset = [*range(dim), *range(dim + rank, len(out))]
    sizes = [1 if d == dim else n for d, n in enumerate(shape)]
    return b.gather(x, b.reshape(index, (*places, 1)), out, offset, [dim], [dim], sizes)


@aten("embedding")
def embedding(s: Scope, weight: Value, index: Value, *_: object, **__: object) -> Value:
    """The rows weight[index]."""
    return take(s.b, weight, s.b.convert(index, "i32"), 0)


@aten("embedding_dense_backward")
def embedding_backward(
    s: Scope, grad: Value, index: Value, rows: int, padding: int, by_frequency: bool
) -> Value:
    """Gradients added up into the rows that were looked up."""
    b, g = s.b, s.wide(grad)
    count, width = prod(shape_of(index)), shape_of(g)[-1]
    at = b.reshape(b.convert(index, "i32"), (count,))
    flat = b.reshape(g, (count, width))
    if padding >= 0:
        real = b.compare("NE", at, b.like(padding, at))
        flat = b.select(b.broadcast_in_dim(real, (count, width), [0]), flat, b.like(0, flat))
    if by_frequency:
        often = b.convert(_occurrences(b, at, rows), element_of(g))
        flat = b.divide(flat, b.broadcast_in_dim(often, (count, width), [0]))
    zeros = b.splat(0, (rows, width), element_of(g))
    at = b.reshape(at, (count, 1))
    return s.narrow(b.scatter(zeros, at, flat, [1], [0], [0], COMBINE["sum"]))


def _occurrences(b: Build, index: Value, rows: int) -> Value:
    """How often the index of each place [N] is among all of them."""
    (count,) = shape_of(index)
    ones, zeros = b.splat(1, (count,), "f32"), b.splat(0, (rows,), "f32")
    column = b.reshape(index, (count, 1))
    return take(b, b.scatter(zeros, column, ones, [], [0], [0], COMBINE["sum"]), index, 0)


@aten("index_select")
def index_select(s: Scope, x: Value, dim: int, index: Value) -> Value:
    """The entries of one dimension at the indices."""
    if not shape_of(x):
        return x
    at = axis(dim, x)
    where = s.b.convert(index, "i32")
    return s.b.reshape(take(s.b, x, where, at), s.out.shape)


def _all_places(b: Build, index: Value, dim: int) -> Value:
    """The full coordinates of x.gather's index[...]: its own but along `dim`."""
    shape = shape_of(index)
    parts = [index if d == dim else b.iota(shape, d, "i32") for d in range(len(shape))]
    columns = [b.reshape(p, (*shape, 1)) for p in parts]
    return b.concatenate(columns, len(shape))


@aten("gather")
def gather(s: Scope, x: Value, dim: int, index: Value, *_: object, **__: object) -> Value:
    """x[i, index[i, j], ...]: one element for each index."""
    b, shape = s.b, shape_of(index)
    if not shape_of(x):
        return b.broadcast(x, shape)
    at = axis(dim, x)
    where = b.convert(index, "i32")
    if not shape:
        return b.reshape(take(b, x, b.reshape(where, (1,)), 0), ())
    limits = [n if d == at else shape[d] for d, n in enumerate(shape_of(x))]
    cut = b.slice(x, [0] * len(limits), limits)
    if prod(n for d, n in enumerate(shape) if d != at) == 1:
        flat = b.reshape(cut, (shape_of(cut)[at],))
        return b.reshape(take(b, flat, b.reshape(where, (prod(shape),)), 0), shape)
    count = len(shape)
    return b.gather(
        cut,
        _all_places(b, where, at),
        shape,
        [],
        list(range(count)),
        list(range(count)),
        [1] * count,
    )


def _scatter(s: Scope, x: Value, dim: int, index: Value, source: Operand, how: str) -> Value:
    """X with source[i, j] combined in at [i, index[i, j], ...]."""
    b = s.b
    if not shape_of(x):
        updates = b.reshape(s.cast(source), ()) if isinstance(source, Value) else s.cast(source)
        return COMBINE[how](b, s.cast(x), updates)[0]
    where = b.convert(index, "i32")
    shape = shape_of(where)
    if 0 in shape:
        return x
    at = axis(dim, x)
    if isinstance(source, Value):
        updates = b.slice(s.cast(source), [0] * len(shape), shape)
    else:
        updates = s.fit(source, s.out.element, shape)
    dims = list(range(len(shape)))
    y = s.cast(x)
    return b.scatter(y, _all_places(b, where, at), updates, [], dims, dims, COMBINE[how])


@aten("scatter.src", "scatter.value")
def scatter(s: Scope, x: Value, dim: int, index: Value, source: Operand) -> Value:
    """X with elements replaced."""
    return _scatter(s, x, dim, index, source, "replace")


@aten("scatter.reduce", "scatter.value_reduce")
def scatter_with(s: Scope, x: Value, dim: int, index: Value, source: Operand, reduce: str) -> Value:
    """X with elements added or multiplied in."""
    return _scatter(s, x, dim, index, source, reduce)


@aten("scatter_add")
def scatter_add(s: Scope, x: Value, dim: int, index: Value, source: Value) -> Value:
    """X with elements added in."""
    return _scatter(s, x, dim, index, source, "sum")


_NEUTRAL: dict[str, Callable[[str], complex]] = {
    "sum": lambda e: 0,
    "mean": lambda e: 0,
    "prod": lambda e: 1,
    "amax": lowest,
    "amin": highest,
}


@aten("scatter_reduce.two")
def scatter_reduce(
    s: Scope,
    x: Value,
    dim: int,
    index: Value,
    source: Value,
    reduce: str,
    include_self: bool = True,
) -> Value:
    """X with elements folded in, beside or instead of its own."""
    b, ones = s.b, s.b.splat(1, shape_of(index), s.out.element)
    how = "sum" if reduce == "mean" else reduce
    hits = _scatter(s, b.like(0, s.cast(x)), dim, index, ones, "sum")
    touched = b.compare("GT", hits, b.like(0, hits))
    start = s.cast(x)
    if not include_self:
        start = b.select(touched, b.like(_NEUTRAL[reduce](s.out.element), start), start)
    made = _scatter(s, start, dim, index, source, how)
    if reduce == "mean":
        count = b.add(hits, b.like(1, hits)) if include_self else hits
        made = b.select(touched, floored_mean(b, made, b.maximum(count, b.like(1, count))), start)
    return made


def floored_mean(b: Build, total: Value, count: Value) -> Value:
    """Total / count; of integers toward minus infinity, as torch has it."""
    return b.divide(total, count) if is_real(total) else floored(b, total, count)


# Indexing with several tensors, as NumPy has it.


class Places:
    """The indices of x[:, i, :, j]: broadcast together, wrapped, one vector a place."""

    def __init__(self, s: Scope, x: Value, given: Sequence[Value | None]) -> None:
        self.dims = [d for d, index in enumerate(given) if index is not None]
        b, shape = s.b, shape_of(x)
        listed = s.node.args[1]
        assert isinstance(listed, list | tuple)
        nodes = [listed[d] for d in self.dims]
        at = [given[d] for d in self.dims]
        shapes = [shape_of(i) for i in at if i is not None]
        self.shape = _together(shapes)
        columns: list[Value] = []
        for d, index, node in zip(self.dims, at, nodes, strict=True):
            assert index is not None
            known = s.ranges.get(cast(Node, node))
            place = b.broadcast(wrapped(b, index, shape[d], known), self.shape)
            columns.append(b.reshape(place, (*self.shape, 1)))
        self.indices = b.concatenate(columns, len(self.shape))
        together = self.dims == list(range(self.dims[0], self.dims[-1] + 1))
        self.front = self.dims[0] if together else 0
        """Where the dimensions of the indices stand in the result."""

    def layout(self, x: Value) -> tuple[list[int], list[int]]:
        """The result's dimensions that are x's own, and the sizes of the slices."""
        shape = shape_of(x)
        rest = len(shape) - len(self.dims)
        rank = len(self.shape)
        offset = [*range(self.front), *range(self.front + rank, rest + rank)]
        return offset, [1 if d in self.dims else n for d, n in enumerate(shape)]


def _together(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape that all broadcast to."""
    found = cast(Any, torch).broadcast_shapes(*shapes)
    return tuple(map(int, found))


@aten("index.Tensor", "_unsafe_index.Tensor")
def index(s: Scope, x: Value, indices: Sequence[Value | None]) -> Value:
    """x[i, :, j]: a slice for each combination of indices."""
    places = Places(s, x, indices)
    if len(places.dims) == 1:
        flat = s.b.reshape(places.indices, places.shape)
        return take(s.b, x, flat, places.dims[0])
    offset, sizes = places.layout(x)
    return s.b.gather(x, places.indices, s.out.shape, offset, places.dims, places.dims, sizes)


@aten("index_put", "_unsafe_index_put")
def index_put(
    s: Scope, x: Value, indices: Sequence[Value | None], values: Value, accumulate: bool = False
) -> Value:
    """X with slices replaced, or added to."""
    b, x = s.b, s.cast(x)
    masks = [i for i in indices if i is not None]
    if len(masks) == 1 and element_of(masks[0]) == "i1":
        return _put_masked(s, x, indices, values)
    places = Places(s, x, indices)
    offset, sizes = places.layout(x)
    rest = [n for d, n in enumerate(sizes) if d not in places.dims]
    wanted = (*rest[: places.front], *places.shape, *rest[places.front :])
    updates = b.broadcast(s.cast(values), wanted)
    how = COMBINE["sum" if accumulate else "replace"]
    return b.scatter(x, places.indices, updates, offset, places.dims, places.dims, how)


def _put_masked(s: Scope, x: Value, indices: Sequence[Value | None], values: Value) -> Value:
    """x[mask] = one value for all, which needs no indices."""
    first = next(d for d, i in enumerate(indices) if i is not None)
    mask = indices[first]
    assert mask is not None
    rank = len(shape_of(mask))
    over = s.b.broadcast_in_dim(mask, shape_of(x), range(first, first + rank))
    return s.b.select(over, s.b.broadcast(s.cast(values), shape_of(x)), x)


@aten("index_add")
def index_add(s: Scope, x: Value, dim: int, index: Value, source: Value, alpha: float = 1) -> Value:
    """X with slices of one dimension added in."""
    return _along(s, x, dim, index, source, alpha, "sum")


@aten("index_copy")
def index_copy(s: Scope, x: Value, dim: int, index: Value, source: Value) -> Value:
    """X with slices of one dimension replaced."""
    return _along(s, x, dim, index, source, 1, "replace")


def _along(
    s: Scope, x: Value, dim: int, index: Value, source: Value, alpha: float, how: str
) -> Value:
    b, at, x = s.b, axis(dim, x), s.cast(x)
    if not shape_of(x):
        updates = b.reshape(s.cast(source), ())
        updates = b.multiply(updates, b.like(alpha, updates)) if alpha != 1 else updates
        return COMBINE[how](b, x, updates)[0]
    count = prod(shape_of(index))
    rest = shape_of(x)
    wanted = tuple(count if d == at else n for d, n in enumerate(rest))
    updates = b.reshape(s.cast(source), wanted)
    updates = b.multiply(updates, b.like(alpha, updates)) if alpha != 1 else updates
    where = b.reshape(wrapped(b, index, rest[at]), (count, 1))
    window = [d for d in range(len(rest)) if d != at]
    return b.scatter(x, where, updates, window, [at], [at], COMBINE[how])


@aten("masked_scatter")
def masked_scatter(s: Scope, x: Value, mask: Value, source: Value) -> Value:
    """X with the k-th masked element replaced by the k-th of the source."""
    b, shape = s.b, s.out.shape
    count = prod(shape)
    chosen = b.reshape(s.fit(mask, "i1"), (count,))
    before = running(b, b.convert(chosen, "i32"), 0, 0, b.add)
    limit = max(prod(shape_of(source)) - 1, 0)
    at = b.subtract(before, b.like(1, before))
    at = b.minimum(b.maximum(at, b.like(0, at)), b.like(limit, at))
    found = take(b, b.reshape(source, (limit + 1,)), at, 0)
    flat = b.reshape(s.fit(x), (count,))
    return b.reshape(b.select(chosen, found, flat), shape)


@aten("take")
def take_flat(s: Scope, x: Value, index: Value) -> Value:
    """The flat elements at the indices."""
    count = prod(shape_of(x))
    return take(s.b, s.b.reshape(x, (count,)), wrapped(s.b, index, count), 0)


@aten("bucketize.Tensor", "searchsorted.Tensor")
def bucketize(s: Scope, x: Value, y: Value, *_: object, **more: object) -> Value:
    """How many boundaries lie below each value; at or below it with `right`."""
    searching = "searchsorted" in str(s.node.target)
    values, edges = (y, x) if searching else (x, y)
    b, n, kind = s.b, shape_of(edges)[-1], s.common(0, 1)
    wide = (*shape_of(values), n)
    rank = len(wide)
    left = b.broadcast_in_dim(b.convert(values, kind), wide, range(rank - 1))
    kept = [*range(len(shape_of(edges)) - 1), rank - 1]
    right = b.broadcast_in_dim(b.convert(edges, kind), wide, kept)
    after = more.get("right") or more.get("side") == "right"
    below = b.compare("LE" if after else "LT", right, left)
    return b.fold("add", b.convert(below, s.out.element), 0, [rank - 1])
