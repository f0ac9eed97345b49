"""Views and movement. What only renames elements costs nothing later."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import torch

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, element_of, shape_of
from neuronc.torch.elements import NUMPY_OF
from neuronc.torch.ops.indexing import COMBINE, take
from neuronc.torch.scope import Scope, axis
from neuronc.torch.table import Operand, aten, prims

Sizes = Sequence[int]


@aten(
    "view", "reshape", "_unsafe_view", "unsqueeze", "squeeze", "squeeze.dim", "squeeze.dims",
    "flatten.using_ints", "view_copy", "_reshape_alias", "unflatten.int", "squeeze_copy.dim",
    "unsqueeze_copy",
)  # fmt: skip
def view(s: Scope, x: Value, *_: object, **__: object) -> Value:
    """The same elements in another shape."""
    return s.b.reshape(x, s.out.shape)


@aten("alias", "clone", "detach", "contiguous", "lift_fresh_copy", "lift_fresh", "positive")
def same(s: Scope, x: Value, *_: object, **__: object) -> Value:
    """The same."""
    return x


@aten("_to_copy", "to.dtype", "to.dtype_layout", "type_as", "to.device", "_to_dense")
def to_copy(s: Scope, x: Operand, *_: object, **__: object) -> Value:
    """The elements in another type; `vmap` leaves numbers as they are."""
    return s.cast(x)


@prims("convert_element_type")
def convert_element_type(s: Scope, x: Value, dtype: object) -> Value:
    """The elements in another type."""
    return s.b.convert(x, s.out.element)


@aten("copy")
def copy(s: Scope, x: Value, source: Value, *_: object) -> Value:
    """The source, in the type and shape of x."""
    return s.fit(source)


@aten("view.dtype")
def view_dtype(s: Scope, x: Value, dtype: torch.dtype) -> Value:
    """The same bits as another type."""
    b, wanted = s.b, s.out.element
    have, want = NUMPY_OF[element_of(x)].itemsize, NUMPY_OF[wanted].itemsize
    if have == want:
        return b.one("bitcast_convert", [x], s.out.shape, wanted)
    if have > want:
        wide = b.one("bitcast_convert", [x], (*shape_of(x), have // want), wanted)
        return b.reshape(wide, s.out.shape)
    split = b.reshape(x, (*s.out.shape, want // have))
    return b.one("bitcast_convert", [split], s.out.shape, wanted)


@aten("expand", "expand_as", "expand_copy", "broadcast_to")
def expand(s: Scope, x: Value, *_: object, **__: object) -> Value:
    """X repeated up to a shape."""
    return s.b.broadcast(x, s.out.shape)


@aten("permute", "permute_copy")
def permute(s: Scope, x: Value, dims: Sizes) -> Value:
    """The dimensions in another order."""
    return s.b.transpose(x, [axis(d, x) for d in dims])


@aten("transpose.int")
def transpose(s: Scope, x: Value, first: int, second: int) -> Value:
    """Two dimensions exchanged."""
    order = list(range(len(shape_of(x))))
    if order:
        p, q = axis(first, x), axis(second, x)
        order[p], order[q] = q, p
    return s.b.transpose(x, order)


@aten("t", "numpy_T")
def t(s: Scope, x: Value) -> Value:
    """All dimensions turned around."""
    return s.b.transpose(x, list(reversed(range(len(shape_of(x))))))


def _bounds(extent: int, start: int | None, end: int | None) -> tuple[int, int]:
    """A slice's ends, counted from the front and within the extent."""
    low = 0 if start is None else start
    high = extent if end is None else end
    low, high = (n + extent if n < 0 else n for n in (low, high))
    low = min(max(low, 0), extent)
    return low, max(min(high, extent), low)


@aten("slice.Tensor", "slice_copy.Tensor")
def slice_(
    s: Scope, x: Value, dim: int = 0, start: int | None = None, end: int | None = None,
    step: int = 1,
) -> Value:  # fmt: skip
    """x[start:end:step] along a dimension."""
    at = axis(dim, x)
    low, high = _bounds(shape_of(x)[at], start, end)
    return s.b.slice_dim(x, at, low, high, step)


@aten("narrow")
def narrow(s: Scope, x: Value, dim: int, start: int, length: int) -> Value:
    """x[start : start + length] along a dimension."""
    at = axis(dim, x)
    low = start + shape_of(x)[at] if start < 0 else start
    return s.b.slice_dim(x, at, low, low + length)


@aten("select.int", "select_copy.int")
def select(s: Scope, x: Value, dim: int, index: int) -> Value:
    """One entry of a dimension, which is dropped."""
    at = axis(dim, x)
    place = index + shape_of(x)[at] if index < 0 else index
    return s.b.reshape(s.b.slice_dim(x, at, place, place + 1), s.out.shape)


def _into(s: Scope, x: Value, source: Value, dim: int, low: int, high: int, step: int) -> Value:
    """X with every `step`-th entry from low to high replaced."""
    b, extent = s.b, shape_of(x)[dim]
    count = shape_of(source)[dim]
    if step == 1:
        parts = [b.slice_dim(x, dim, 0, low), source, b.slice_dim(x, dim, high, extent)]
        kept = [p for p in parts if shape_of(p)[dim]]
        return b.concatenate(kept, dim) if kept else x
    at = np.arange(count, dtype=np.int32) * step + low
    rest = [d for d in range(len(shape_of(x))) if d != dim]
    index = b.array(at.reshape(count, 1))
    return b.scatter(x, index, source, rest, [dim], [dim], COMBINE["replace"], unique=True)


@aten("slice_scatter")
def slice_scatter(
    s: Scope, x: Value, source: Value, dim: int = 0, start: int | None = None,
    end: int | None = None, step: int = 1,
) -> Value:  # fmt: skip
    """X with a slice replaced."""
    at = axis(dim, x)
    low, high = _bounds(shape_of(x)[at], start, end)
    return _into(s, s.cast(x), s.cast(source), at, low, high, step)


@aten("select_scatter")
def select_scatter(s: Scope, x: Value, source: Value, dim: int, index: int) -> Value:
    """X with one entry of a dimension replaced."""
    at, shape = axis(dim, x), list(shape_of(x))
    place = index + shape[at] if index < 0 else index
    shape[at] = 1
    return _into(s, s.cast(x), s.b.reshape(s.cast(source), tuple(shape)), at, place, place + 1, 1)


@aten("cat", "concat")
def cat(s: Scope, parts: Sequence[Value], dim: int = 0) -> Value:
    """The parts one after the other; empty vectors of the old kind are skipped."""
    rank = len(s.out.shape)
    real = [s.cast(p) for p in parts if len(shape_of(p)) == rank]
    kept = [p for p in real if prod(shape_of(p))] or real[:1]
    return s.b.concatenate(kept, axis(dim, rank))


@aten("stack")
def stack(s: Scope, parts: Sequence[Value], dim: int = 0) -> Value:
    """The parts side by side in a new dimension."""
    at, shape = axis(dim, len(s.out.shape)), list(s.out.shape)
    shape[at] = 1
    return s.b.concatenate([s.b.reshape(s.cast(p), tuple(shape)) for p in parts], at)


def _pieces(b: Build, x: Value, dim: int, sizes: Sizes) -> list[Value]:
    starts = np.cumsum([0, *sizes]).tolist()
    return [b.slice_dim(x, dim, a, a + n) for a, n in zip(starts, sizes, strict=False)]


@aten("split_with_sizes", "split_with_sizes_copy", "split.sizes")
def split_with_sizes(s: Scope, x: Value, sizes: Sizes, dim: int = 0) -> list[Value]:
    """Pieces of these extents."""
    return _pieces(s.b, x, axis(dim, x), sizes)


@aten("split.Tensor", "chunk", "tensor_split.sections")
def split(s: Scope, x: Value, size: int, dim: int = 0) -> list[Value]:
    """Pieces as torch cuts them."""
    at = axis(dim, x)
    return _pieces(s.b, x, at, [o.shape[at] for o in s.outs if o is not None])


@aten("unbind.int", "unbind_copy.int")
def unbind(s: Scope, x: Value, dim: int = 0) -> list[Value]:
    """Each entry of a dimension."""
    at = axis(dim, x)
    pieces = _pieces(s.b, x, at, [1] * shape_of(x)[at])
    shape = tuple(n for d, n in enumerate(shape_of(x)) if d != at)
    return [s.b.reshape(p, shape) for p in pieces]


@aten("repeat", "tile")
def repeat(s: Scope, x: Value, times: Sizes) -> Value:
    """X side by side a number of times."""
    b, shape = s.b, shape_of(x)
    lead = [1] * (len(times) - len(shape))
    extents = [*lead, *shape]
    counts = [*[1] * (len(extents) - len(times)), *times]
    wide = [n for count, extent in zip(counts, extents, strict=True) for n in (count, extent)]
    split = [n for extent in extents for n in (1, extent)]
    made = b.broadcast(b.reshape(x, tuple(split)), tuple(wide))
    return b.reshape(made, s.out.shape)


@aten("repeat_interleave.self_int")
def repeat_interleave(s: Scope, x: Value, times: int, dim: int | None = None, **_: object) -> Value:
    """Every entry of a dimension a number of times."""
    b = s.b
    x, at = (b.reshape(x, (prod(shape_of(x)),)), 0) if dim is None else (x, axis(dim, x))
    shape = shape_of(x)
    wide = (*shape[: at + 1], times, *shape[at + 1 :])
    kept = [d if d <= at else d + 1 for d in range(len(shape))]
    return b.reshape(b.broadcast_in_dim(x, wide, kept), s.out.shape)


@aten("flip")
def flip(s: Scope, x: Value, dims: Sizes) -> Value:
    """The elements in opposite order along dimensions."""
    return s.b.reverse(x, [axis(d, x) for d in dims]) if dims and shape_of(x) else x


@aten("roll")
def roll(s: Scope, x: Value, shifts: Sizes | int, dims: Sizes | int = ()) -> Value:
    """The elements moved round along dimensions."""
    b, moves = s.b, [shifts] if isinstance(shifts, int) else list(shifts)
    listed = [dims] if isinstance(dims, int) else list(dims)
    if not listed:
        return b.reshape(_rolled(b, b.reshape(x, (prod(shape_of(x)),)), moves[0], 0), s.out.shape)
    for move, dim in zip(moves, listed, strict=True):
        x = _rolled(b, x, move, axis(dim, x))
    return x


def _rolled(b: Build, x: Value, move: int, dim: int) -> Value:
    extent = shape_of(x)[dim]
    cut = (extent - move) % extent if extent else 0
    if not cut:
        return x
    return b.concatenate([b.slice_dim(x, dim, cut, extent), b.slice_dim(x, dim, 0, cut)], dim)


@aten("diagonal", "diagonal_copy")
def diagonal(s: Scope, x: Value, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Value:
    """x[..., i, i + offset] in a new last dimension."""
    b, rank = s.b, len(shape_of(x))
    p, q = axis(dim1, x), axis(dim2, x)
    order = [d for d in range(rank) if d not in (p, q)] + [p, q]
    y = b.transpose(x, order)
    rows, columns = shape_of(y)[-2:]
    count = s.out.shape[-1]
    flat = b.reshape(y, (*shape_of(y)[:-2], rows * columns))
    start = offset if offset >= 0 else -offset * columns
    limit = start + (count - 1) * (columns + 1) + 1 if count else start
    return b.slice_dim(flat, rank - 2, start, limit, columns + 1)


@aten("unfold", "unfold_copy")
def unfold(s: Scope, x: Value, dim: int, size: int, step: int) -> Value:
    """Windows of a dimension, in a new last dimension."""
    b, at = s.b, axis(dim, x)
    if not shape_of(x):
        return b.slice_dim(b.reshape(x, (1,)), 0, 0, size)
    if not prod(s.out.shape):
        return b.splat(0, s.out.shape, element_of(x))
    count = s.out.shape[at]
    starts = np.arange(count, dtype=np.int32)[:, None] * step
    found = take(b, x, b.array(starts + np.arange(size, dtype=np.int32)), at)
    order = [d for d in range(len(shape_of(found))) if d != at + 1] + [at + 1]
    return b.transpose(found, order)


def _triangle(s: Scope, x: Value, diagonal: int, lower: bool) -> Value:
    b, shape = s.b, shape_of(x)
    rank = len(shape)
    row, column = b.iota(shape, rank - 2, "i32"), b.iota(shape, rank - 1, "i32")
    edge = b.add(row, b.like(diagonal, row))
    kept = b.compare("LE" if lower else "GE", column, edge)
    return b.select(kept, x, b.like(0, x))


@aten("tril")
def tril(s: Scope, x: Value, diagonal: int = 0) -> Value:
    """Zero above a diagonal."""
    return _triangle(s, x, diagonal, True)


@aten("triu")
def triu(s: Scope, x: Value, diagonal: int = 0) -> Value:
    """Zero below a diagonal."""
    return _triangle(s, x, diagonal, False)


@aten("col2im")
def col2im(
    s: Scope, x: Value, size: Sizes, kernel: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes
) -> Value:
    """Columns added back into the image that they were taken from."""
    b, batched = s.b, len(shape_of(x)) == 3
    shape = s.out.shape if batched else (1, *s.out.shape)
    n, c = shape[:2]
    spaces = [
        (size[d] + 2 * padding[d] - dilation[d] * (kernel[d] - 1) - 1) // stride[d] + 1
        for d in range(2)
    ]
    columns = b.reshape(x, (n, c, *kernel, *spaces))
    total = b.splat(0, shape, element_of(x))
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            part = b.slice(columns, [0, 0, i, j, 0, 0], [n, c, i + 1, j + 1, *spaces])
            low = [k * dilation[d] - padding[d] for d, k in enumerate((i, j))]
            reach = [(spaces[d] - 1) * stride[d] + 1 for d in range(2)]
            high = [size[d] - reach[d] - low[d] for d in range(2)]
            spread = b.pad(
                b.reshape(part, (n, c, *spaces)),
                b.splat(0, (), element_of(x)),
                [0, 0, *low],
                [0, 0, *high],
                [0, 0, *(k - 1 for k in stride)],
            )
            total = b.add(total, spread)
    return b.reshape(total, s.out.shape)


@aten("_conj", "conj_physical", "resolve_conj", "resolve_neg", "_conj_physical")
def conj(s: Scope, x: Value) -> Value:
    """The complex conjugate, where the name says so."""
    return x if "resolve" in str(s.node.target) else s.b.conjugate(x)
