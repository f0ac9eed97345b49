"""Ops that only move or repeat elements."""

from __future__ import annotations

from math import prod

from tests.fuzz.grower import Grower, array
from tests.fuzz.values import SIZE_MAX, Type, Value


def broadcast(g: Grower) -> None:
    """Repeat a value over new dimensions, or a dimension of size 1."""
    x = g.pick(lambda v: v.type.rank <= 3)
    shape = list(x.type.shape)
    places = list(range(x.type.rank))
    for d, n in enumerate(shape):
        if n == 1 and g.chance(2):
            shape[d] = g.choose(g.dims)
    while len(shape) < 4 and (len(shape) == x.type.rank or g.chance(2)):
        at = g.number(0, len(shape))
        shape.insert(at, g.choose(g.dims))
        places = [p + (p >= at) for p in places]
    if prod(shape) <= SIZE_MAX:
        g.repeat(x, x.type.shaped(shape), places)


def reshape(g: Grower) -> None:
    """Merge or split dimensions."""
    x = g.pick(lambda v: True)
    shape = list(x.type.shape)
    for _ in range(g.number(1, 3)):
        d = g.number(0, len(shape))
        if d < len(shape) - 1 and g.chance(2):
            shape[d : d + 2] = [shape[d] * shape[d + 1]]
        elif d < len(shape) and len(shape) < 6:
            divisors = [k for k in range(1, shape[d] + 1) if shape[d] % k == 0]
            k = g.choose(divisors[:12])
            shape[d : d + 1] = [k, shape[d] // k]
        elif len(shape) < 6:
            shape.insert(d, 1)
    g.scope.op("reshape", [x], x.type.shaped(shape), bound=x.bound)


def transpose(g: Grower) -> None:
    """Permute dimensions."""
    x = g.pick(lambda v: v.type.rank >= 2, 2, 4)
    permute(g, x, g.order(x.type.rank))


def permute(g: Grower, x: Value, order: list[int]) -> Value:
    """A transpose."""
    shape = [x.type.shape[d] for d in order]
    return g.scope.op(
        "transpose", [x], x.type.shaped(shape), f"permutation = {array(order)}", bound=x.bound
    )


def slice_(g: Grower) -> None:
    """A strided part."""
    x = g.pick(lambda v: v.type.rank >= 1, 1, 4)
    starts, limits, strides, shape = [], [], [], []
    for n in x.type.shape:
        start = g.number(0, min(n - 1, 5)) if g.chance(2) else 0
        limit = n - (g.number(0, min(n - start - 1, 5)) if g.chance(2) else 0)
        stride = g.number(1, 3) if g.chance(3) else 1
        starts.append(start)
        limits.append(limit)
        strides.append(stride)
        shape.append(-(-(limit - start) // stride))
    attributes = (
        f"start_indices = {array(starts)}, limit_indices = {array(limits)}, "
        f"strides = {array(strides)}"
    )
    g.scope.op("slice", [x], x.type.shaped(shape), attributes, bound=x.bound)


def reverse(g: Grower) -> None:
    """Some dimensions backwards."""
    x = g.pick(lambda v: v.type.rank >= 1, 1, 4)
    dimensions = g.subset(range(x.type.rank), 1)
    g.scope.op("reverse", [x], x.type, f"dimensions = {array(dimensions)}", bound=x.bound)


def pad(g: Grower) -> None:
    """Edges, gaps, and crops."""
    x = g.pick(lambda v: v.type.rank >= 1, 1, 3)
    value = g.like(x.type.shaped(()))
    low = [g.number(-1, 3) if n > 2 else g.number(0, 2) for n in x.type.shape]
    high = [g.number(-1, 3) if n > 2 else g.number(0, 2) for n in x.type.shape]
    gaps = [g.choose((0, 0, 1, 2)) for _ in x.type.shape]
    shape = [
        a + b + n + (n - 1) * k for a, b, n, k in zip(low, high, x.type.shape, gaps, strict=True)
    ]
    if prod(shape) > SIZE_MAX:
        return
    attributes = (
        f"edge_padding_low = {array(low)}, edge_padding_high = {array(high)}, "
        f"interior_padding = {array(gaps)}"
    )
    bound = max(x.bound, value.bound)
    g.scope.op("pad", [x, value], x.type.shaped(shape), attributes, bound=bound)


def concatenate(g: Grower) -> None:
    """Values one after the other."""
    x = g.pick(lambda v: v.type.rank >= 1, 1, 3)
    d = g.number(0, x.type.rank - 1)
    parts = [x]
    for _ in range(g.number(1, 2)):
        shape = list(x.type.shape)
        if g.chance(3):
            shape[d] = g.choose(g.dims)
        parts.append(g.like(x.type.shaped(shape)))
    if g.chance(2):
        parts.reverse()
    shape = list(x.type.shape)
    shape[d] = sum(p.type.shape[d] for p in parts)
    if prod(shape) <= SIZE_MAX:
        bound = max(p.bound for p in parts)
        g.scope.op(
            "concatenate", parts, x.type.shaped(shape), f"dimension = {d} : i64", bound=bound
        )


def iota(g: Grower) -> None:
    """Positions along a dimension."""
    shape = g.shape(1, 3)
    d = g.number(0, len(shape) - 1)
    kind = g.choose(("i32", *g.floats, *g.integers))
    if kind in ("i4", "ui4") or (kind in ("i8", "ui8") and shape[d] > 100):
        kind = "i32"
    g.scope.op("iota", [], Type(shape, kind), f"iota_dimension = {d} : i64", bound=float(shape[d]))


def barrier(g: Grower) -> None:
    """An optimisation barrier around one value."""
    x = g.pick(lambda v: True)
    g.scope.op("optimization_barrier", [x], x.type, bound=x.bound)


def bitcast(g: Grower) -> None:
    """The bits of exact floats, whose zeros have no sign, as integers and back."""
    x = g.pick(lambda v: v.exact and v.type.kind in ("f32", "i32", "ui32") and v.bound < 1e9)
    if x.type.is_float:
        # A sum of zeros has the sign that its order gives it; XLA's own halves may differ.
        x = g.scope.op("abs", [x], x.type, bound=x.bound)
    kind = "i32" if x.type.kind == "f32" else "ui32" if x.type.kind == "i32" else "i32"
    g.scope.op("bitcast_convert", [x], x.type.of(kind), bound=2.0**64)
