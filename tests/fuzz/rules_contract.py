"""Contractions and the patterns of models around them."""

from __future__ import annotations

from math import prod

from tests.fuzz.grower import Grower, array
from tests.fuzz.rules_layout import permute
from tests.fuzz.rules_reduce import function_region, reduced
from tests.fuzz.values import EXACT_MAX, SIZE_MAX, Type, Value


def dot(g: Grower) -> None:
    """dot_general over any dimensions of a value and of another that fits."""
    x = g.pick(lambda v: v.type.rank >= 1 and (v.type.is_float or v.type.kind == "i32"), 1, 4)
    depth = g.subset(range(x.type.rank), 0 if g.chance(8) else 1)[:2]
    batch = g.subset([d for d in range(x.type.rank) if d not in depth]) if g.chance(2) else []
    free = [g.choose(g.dims) for _ in range(g.number(0, 2))]
    shape = [x.type.shape[d] for d in (*batch, *depth)] + free
    order = g.order(len(shape))
    mixed = x.type.shaped([shape[k] for k in order])
    rows = [d for d in range(x.type.rank) if d not in (*batch, *depth)]
    out = [x.type.shape[d] for d in (*batch, *rows)] + free
    count = prod(x.type.shape[d] for d in depth)
    if prod(shape) > SIZE_MAX or prod(out) > SIZE_MAX or count * prod(out) > 2**26:
        return
    y = g.like(mixed)
    if x.type.is_float and not _sum_fits(x, y, count):
        return
    place = [order.index(k) for k in range(len(shape))]
    right_batch, right_depth = place[: len(batch)], place[len(batch) : len(batch) + len(depth)]
    right_free = [d for d in range(len(shape)) if d not in (*right_batch, *right_depth)]
    out = [x.type.shape[d] for d in (*batch, *rows)] + [mixed.shape[d] for d in right_free]
    if g.chance(4) and x.type.kind in ("bf16", "f16", "f32"):
        result = Type(tuple(out), "f32")
    else:
        result = x.type.shaped(out)
    dot_general(g, x, y, (batch, right_batch), (depth, right_depth), result, count)


def dot_general(
    g: Grower,
    x: Value,
    y: Value,
    batch: tuple[list[int], list[int]],
    depth: tuple[list[int], list[int]],
    result: Type,
    count: int,
) -> Value:
    """The op."""
    numbers = (
        f"lhs_batching_dimensions = {batch[0]}, rhs_batching_dimensions = {batch[1]}, "
        f"lhs_contracting_dimensions = {depth[0]}, rhs_contracting_dimensions = {depth[1]}"
    )
    bound = x.bound * y.bound * count
    return g.scope.op(
        "dot_general",
        [x, y],
        result,
        f"dot_dimension_numbers = #stablehlo.dot<{numbers}>",
        bound=bound,
    )


def _sum_fits(x: Value, y: Value, count: int) -> bool:
    bound = x.bound * y.bound * count
    if x.exact and y.exact:
        return bound <= EXACT_MAX[x.type.kind]
    narrow = x.type.kind in ("f16", "bf16")
    return bound <= 1e5 and not (narrow and count > 64)


def convolution(g: Grower) -> None:
    """Any convolution: layouts, strides, padding, dilations, groups, reversal."""
    kind = g.choose(("f32", *g.floats))
    rank = g.choose((2, 1, 2, 3))
    groups = g.choose((1, 1, 2, 3))
    batches = 1 if groups > 1 else g.choose((1, 1, 1, 2))
    inputs, outputs = g.choose((1, 2, 3, 5)), g.choose((1, 2, 4, 33)) * groups * batches
    batch = g.choose((1, 2, 3)) * batches
    space = [g.choose((1, 2, 3, 5, 8, 12)) for _ in range(rank)]
    sizes = [g.choose((1, 2, 3)) for _ in range(rank)]
    strides = [g.choose((1, 2, 1)) for _ in range(rank)]
    left, right = ([g.choose((1, 1, 2)) for _ in range(rank)] for _ in range(2))
    padding = [(g.number(-1, 2) if n > 2 else 0, g.number(0, 2)) for n in space]
    turned = [g.chance(4) for _ in range(rank)]
    out = [
        (lo + hi + (n - 1) * p + 1 - ((w - 1) * q + 1)) // s + 1
        for n, w, s, p, q, (lo, hi) in zip(space, sizes, strides, left, right, padding, strict=True)
    ]
    if any(n < 1 for n in out):
        return
    x_order, w_order, o_order = (g.order(rank + 2) for _ in range(3))
    x = g.like(Type(_placed([batch, inputs * groups, *space], x_order), kind))
    w = g.like(Type(_placed([outputs, inputs, *sizes], w_order), kind))
    count = inputs * prod(sizes)
    if not _sum_fits(x, w, count):
        return
    result = Type(_placed([batch // batches, outputs, *out], o_order), kind)
    spatial = [str(i) for i in range(rank)]
    layouts = [
        "[" + ", ".join(_placed_names([*names, *spatial], order)) + "]"
        for names, order in ((("b", "f"), x_order), (("o", "i"), w_order), (("b", "f"), o_order))
    ]
    pairs = ", ".join(f"[{lo}, {hi}]" for lo, hi in padding)
    flags = ", ".join("true" if t else "false" for t in turned)
    attributes = (
        f"batch_group_count = {batches} : i64, feature_group_count = {groups} : i64, "
        f"dimension_numbers = #stablehlo.conv<{layouts[0]}x{layouts[1]}->{layouts[2]}>, "
        f"window_strides = {array(strides)}, lhs_dilation = {array(left)}, "
        f"rhs_dilation = {array(right)}, window_reversal = array<i1: {flags}>, "
        f"padding = dense<[{pairs}]> : tensor<{rank}x2xi64>"
    )
    bound = x.bound * w.bound * count
    g.scope.op("convolution", [x, w], result, attributes, bound=bound)


def _placed(extents: list[int], order: list[int]) -> tuple[int, ...]:
    """Extents of [batch, feature, space...] in the layout `order`: where each goes."""
    return tuple(extents[k] for k in order)


def _placed_names(names: list[str], order: list[int]) -> list[str]:
    return [names[k] for k in order]


def softmax(g: Grower) -> None:
    """exp(x - max) / sum over one dimension."""
    x = g.pick(lambda v: v.type.is_float and v.type.rank >= 1 and v.bound < 1e4, 1, 4)
    d = g.number(0, x.type.rank - 1)
    kept = [i for i in range(x.type.rank) if i != d]
    best = reduced(g, "maximum", x, [d])
    if best is None:
        return
    shifted = g.scope.op("subtract", [x, g.repeat(best, x.type, kept)], x.type, bound=2 * x.bound)
    raised = g.scope.op("exponential", [shifted], x.type, bound=1.0, exact=False)
    zero = g.scope.constant(x.type.shaped(()), "0.0", 0.0)
    total = _sum(g, raised, zero, [d])
    g.scope.op("divide", [raised, g.repeat(total, x.type, kept)], x.type, bound=1.0)


def _sum(g: Grower, x: Value, first: Value, dimensions: list[int]) -> Value:
    shape = [n for d, n in enumerate(x.type.shape) if d not in dimensions]
    return g.scope.op(
        "reduce",
        [x, first],
        x.type.shaped(shape),
        f"dimensions = {array(dimensions)}",
        bound=x.bound * prod(x.type.shape[d] for d in dimensions),
        exact=False,
        regions=function_region(g, "add", x.type.shaped(())),
    )


def normalise(g: Grower) -> None:
    """Layer norm over the last dimensions, with scale and shift."""
    x = g.pick(lambda v: v.type.kind in ("f32", "f64") and v.type.rank >= 1 and v.bound < 100, 1, 4)
    d = x.type.rank - 1
    kept = list(range(d))
    zero = g.scope.constant(x.type.shaped(()), "0.0", 0.0)
    size = g.scope.constant(x.type.shaped(x.type.shape[:d]), f"{x.type.shape[d]}.0", 1.0)
    total = _sum(g, x, zero, [d])
    mean = g.scope.op("divide", [total, size], size.type, bound=x.bound, exact=False)
    apart = g.scope.op("subtract", [x, g.repeat(mean, x.type, kept)], x.type, bound=2 * x.bound)
    square = g.scope.op("multiply", [apart, apart], x.type, bound=4 * x.bound**2)
    spread = g.scope.op("divide", [_sum(g, square, zero, [d]), size], size.type, bound=1e4)
    half = g.scope.constant(size.type, "0.5", 0.5, False)
    safe = g.scope.op("add", [spread, half], size.type, bound=1e4)
    scale = g.scope.op("rsqrt", [safe], size.type, bound=2.0)
    normal = g.scope.op("multiply", [apart, g.repeat(scale, x.type, kept)], x.type, bound=1e2)
    row = x.type.shaped([x.type.shape[d]])
    gain = g.repeat(g.fresh(row), x.type, [d])
    g.scope.op("multiply", [normal, gain], x.type, bound=4e2)


def attention(g: Grower) -> None:
    """softmax(q k^T) v for several heads, from one projected value."""
    kind = g.floats[0]
    rows, heads, width = g.choose((3, 16, 64, 129)), g.choose((1, 2, 4)), g.choose((4, 8, 32))
    x = g.like(Type((rows, heads * width), kind), exact=False)
    if x.bound > 10:
        x = g.scope.op("tanh", [x], x.type, bound=1.0, exact=False)
    parts = []
    for _ in range(3):
        split = x.type.shaped((rows, heads, width))
        part = g.scope.op("reshape", [x], split, bound=x.bound)
        parts.append(permute(g, part, [1, 0, 2]))
    q, k, v = parts
    scores = dot_general(g, q, k, ([0], [0]), ([2], [2]), x.type.shaped((heads, rows, rows)), width)
    if scores.bound > 1e3:
        return
    kept = [0, 1]
    best = reduced(g, "maximum", scores, [2])
    if best is None:
        return
    shifted = g.scope.op(
        "subtract", [scores, g.repeat(best, scores.type, kept)], scores.type, bound=2 * scores.bound
    )
    raised = g.scope.op("exponential", [shifted], scores.type, bound=1.0, exact=False)
    zero = g.scope.constant(x.type.shaped(()), "0.0", 0.0)
    total = g.repeat(_sum(g, raised, zero, [2]), scores.type, kept)
    weights = g.scope.op("divide", [raised, total], scores.type, bound=1.0)
    mixed = dot_general(
        g, weights, v, ([0], [0]), ([2], [1]), x.type.shaped((heads, rows, width)), 1
    )
    merged = permute(g, mixed, [1, 0, 2])
    g.scope.op("reshape", [merged], x.type, bound=x.bound)
