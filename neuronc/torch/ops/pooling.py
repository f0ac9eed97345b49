"""Pooling: over windows, and over parts that cover the image evenly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, element_of, shape_of
from neuronc.torch.elements import NUMPY_OF
from neuronc.torch.ops.indexing import COMBINE
from neuronc.torch.ops.reductions import lowest
from neuronc.torch.scope import Scope
from neuronc.torch.table import aten

Sizes = Sequence[int] | int
Matrix = NDArray[np.float64]


def _each(values: Sizes, rank: int) -> list[int]:
    listed = [values] if isinstance(values, int) else list(values)
    return listed * rank if len(listed) == 1 else listed


def _rank(s: Scope, size: Sizes) -> int:
    """How many dimensions are pooled: one extent may stand for all that the name tells."""
    extents = [size] if isinstance(size, int) else list(size)
    told = re.search(r"pool(\d)d", str(s.node.target))
    return int(told.group(1)) if told and len(extents) == 1 else len(extents)


class Windows:
    """Where the windows of a pooling lie along the last `rank` dimensions."""

    def __init__(
        self, s: Scope, size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, x: Value
    ) -> None:
        rank = _rank(s, size)
        self.lead = len(shape_of(x)) - rank
        self.size = _each(size, rank)
        self.stride = _each(stride, rank) if stride or stride == 0 else self.size
        self.dilation = _each(dilation, rank)
        self.low = _each(padding, rank)
        space = shape_of(x)[self.lead :]
        self.out = s.out.shape[self.lead :]
        needed = [
            (o - 1) * t + (w - 1) * d + 1
            for o, t, w, d in zip(self.out, self.stride, self.size, self.dilation, strict=True)
        ]
        self.high = [n - e - lo for n, e, lo in zip(needed, space, self.low, strict=True)]

    def full(self, values: Sequence[int]) -> list[int]:
        """One number a dimension of the whole array, 1 in front."""
        return [1] * self.lead + list(values)

    @property
    def edges(self) -> list[tuple[int, int]]:
        """The padding of every dimension."""
        return [(0, 0)] * self.lead + list(zip(self.low, self.high, strict=True))

    def fold(self, b: Build, name: str, x: Value, initial: complex) -> Value:
        """Reduce every window."""
        return b.reduce_window(
            name,
            x,
            initial,
            self.full(self.size),
            self.full(self.stride),
            self.edges,
            self.full(self.dilation),
        )

    def taps(self, b: Build, x: Value, edge: complex) -> list[Value]:
        """What each place of the window sees, one array a place."""
        padded = b.pad(
            x,
            b.splat(edge, (), element_of(x)),
            [e[0] for e in self.edges],
            [e[1] for e in self.edges],
        )
        found: list[Value] = []
        for place in product(*(range(n) for n in self.size)):
            starts = [p * d for p, d in zip(place, self.dilation, strict=True)]
            limits = [
                a + (o - 1) * t + 1 for a, o, t in zip(starts, self.out, self.stride, strict=True)
            ]
            lead = shape_of(x)[: self.lead]
            found.append(
                b.slice(padded, [0] * self.lead + starts, [*lead, *limits], self.full(self.stride))
            )
        return found


@aten("max_pool2d_with_indices", "max_pool3d_with_indices")
def max_pool(
    s: Scope,
    x: Value,
    size: Sizes,
    stride: Sizes = (),
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> list[Value | None]:
    """The largest of every window, and where it is in the flat image."""
    b, low = s.b, lowest(element_of(x))
    windows = Windows(s, size, stride, padding, dilation, x)
    if not s.used(1):
        return [windows.fold(b, "maximum", x, low), None]
    space = shape_of(x)[windows.lead :]
    flat = b.reshape(b.iota((prod(space),), 0, "i32"), space)
    places = b.broadcast_in_dim(flat, shape_of(x), range(windows.lead, len(shape_of(x))))
    values, indices = windows.taps(b, x, low), windows.taps(b, places, 0)
    best, at = values[0], indices[0]
    for value, index in zip(values[1:], indices[1:], strict=True):
        ahead = b.binary("or", b.compare("GT", value, best), b.compare("NE", value, value))
        best, at = b.select(ahead, value, best), b.select(ahead, index, at)
    return [best, at]


@aten("max_pool1d", "max_pool2d", "max_pool3d")
def max_pool_only(
    s: Scope,
    x: Value,
    size: Sizes,
    stride: Sizes = (),
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> Value:
    """The largest of every window."""
    windows = Windows(s, size, stride, padding, dilation, x)
    return windows.fold(s.b, "maximum", x, lowest(element_of(x)))


@aten("max_pool2d_with_indices_backward")
def max_pool_backward(
    s: Scope,
    grad: Value,
    x: Value,
    size: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
    indices: Value,
) -> Value:
    """Each gradient goes to where its window's largest was."""
    b, shape = s.b, shape_of(x)
    lead, plane, windows = prod(shape[:-2]), shape[-2] * shape[-1], prod(shape_of(grad)[-2:])
    g = b.reshape(s.wide(grad), (lead * windows,))
    at = b.reshape(b.convert(indices, "i32"), (lead, windows))
    base = b.multiply(b.iota((lead, windows), 0, "i32"), b.splat(plane, (lead, windows), "i32"))
    index = b.reshape(b.add(at, base), (lead * windows, 1))
    zeros = b.splat(0, (lead * plane,), element_of(g))
    made = b.scatter(zeros, index, g, [], [0], [0], COMBINE["sum"])
    return s.narrow(b.reshape(made, shape))


def _counts(windows: Windows, space: Sequence[int], include: bool) -> list[NDArray[np.float64]]:
    """How many elements each window counts, one array a dimension."""
    found: list[NDArray[np.float64]] = []
    for d, extent in enumerate(space):
        starts = np.arange(windows.out[d]) * windows.stride[d] - windows.low[d]
        stops = np.minimum(starts + windows.size[d], extent + windows.low[d])
        if not include:
            starts, stops = np.maximum(starts, 0), np.minimum(stops, extent)
        found.append((stops - starts).astype(np.float64))
    return found


def _divisor(b: Build, counts: list[NDArray[np.float64]], total: Value, lead: int) -> Value:
    """The product of the counts of all dimensions, for every window."""
    area = counts[0]
    for extra in counts[1:]:
        area = area[..., None] * extra
    if area.size and (area == area.flat[0]).all():
        return b.like(float(area.flat[0]), total)
    constant = b.array(area.astype(NUMPY_OF[element_of(total)]))
    return b.broadcast_in_dim(constant, shape_of(total), range(lead, len(shape_of(total))))


@aten("avg_pool1d", "avg_pool2d", "avg_pool3d")
def avg_pool(
    s: Scope,
    x: Value,
    size: Sizes,
    stride: Sizes = (),
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Value:
    """The mean of every window."""
    b, y = s.b, s.wide(x)
    windows = Windows(s, size, stride, padding, 1, x)
    total = windows.fold(b, "add", y, 0)
    if divisor_override:
        return s.narrow(b.divide(total, b.like(divisor_override, total)))
    counts = _counts(windows, shape_of(x)[windows.lead :], count_include_pad)
    return s.narrow(b.divide(total, _divisor(b, counts, total, windows.lead)))


@aten("avg_pool2d_backward", "avg_pool3d_backward")
def avg_pool_backward(
    s: Scope,
    grad: Value,
    x: Value,
    size: Sizes,
    stride: Sizes,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Value:
    """Each gradient spread over its window: the transposed pooling matrices of all dimensions."""
    b, g = s.b, s.wide(grad)
    rank = 3 if "3d" in str(s.node.target) else 2
    space, out = shape_of(x)[-rank:], shape_of(g)[-rank:]
    sizes, low = _each(size, rank), _each(padding, rank)
    steps = _each(stride, rank) if stride else sizes
    for d in range(rank):
        matrix = np.zeros((space[d], out[d]))
        for o in range(out[d]):
            start = o * steps[d] - low[d]
            stop = min(start + sizes[d], space[d] + low[d])
            inside = range(max(start, 0), min(stop, space[d]))
            count = stop - start if count_include_pad else len(inside)
            for i in inside:
                matrix[i, o] = 1 if divisor_override else 1 / count
        g = apply_matrix(b, g, len(shape_of(g)) - rank + d, matrix)
    if divisor_override:
        g = b.divide(g, b.like(divisor_override, g))
    return s.narrow(g)


def apply_matrix(b: Build, x: Value, dim: int, matrix: Matrix) -> Value:
    """The matrix[M, N] times the dimension of extent N, which becomes M."""
    constant = b.array(matrix.astype(NUMPY_OF[element_of(x)]))
    made = b.dot(x, constant, ((), ()), ([dim], [1]))
    rank = len(shape_of(x))
    order = [d if d < dim else d - 1 for d in range(rank)]
    order[dim] = rank - 1
    return b.transpose(made, order)


def _averages(extent: int, out: int) -> Matrix:
    """The matrix of adaptive pooling: row o averages from floor(o n / m) to ceil((o + 1) n / m)."""
    matrix = np.zeros((out, extent))
    for o in range(out):
        start, stop = o * extent // out, -(-(o + 1) * extent // out)
        matrix[o, start:stop] = 1 / (stop - start)
    return matrix


@aten(
    "_adaptive_avg_pool2d",
    "_adaptive_avg_pool3d",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
)
def adaptive_avg_pool(s: Scope, x: Value, size: Sizes) -> Value:
    """The mean of windows that cover the image evenly."""
    b, y = s.b, s.wide(x)
    rank = len([size] if isinstance(size, int) else list(size))
    first = len(shape_of(x)) - rank
    space, out = shape_of(x)[first:], s.out.shape[first:]
    if any(n % m for n, m in zip(space, out, strict=True)):
        for d, (n, m) in enumerate(zip(space, out, strict=True)):
            y = apply_matrix(b, y, first + d, _averages(n, m))
        return s.narrow(y)
    split = [k for n, m in zip(space, out, strict=True) for k in (m, n // m)]
    dims = [first + 2 * d + 1 for d in range(rank)]
    total = b.fold("add", b.reshape(y, (*shape_of(x)[:first], *split)), 0, dims)
    return s.narrow(b.divide(total, b.like(prod(space) // prod(out), total)))


@aten("_adaptive_avg_pool2d_backward", "_adaptive_avg_pool3d_backward")
def adaptive_avg_pool_backward(s: Scope, grad: Value, x: Value) -> Value:
    """Each gradient spread over its window."""
    g, rank = s.wide(grad), len(shape_of(x))
    for d in range(rank - (3 if "3d" in str(s.node.target) else 2), rank):
        matrix = _averages(shape_of(x)[d], shape_of(grad)[d]).T
        g = apply_matrix(s.b, g, d, matrix)
    return s.narrow(g)
