"""Reductions, windows, sorts."""

from __future__ import annotations

from math import inf, prod

import ml_dtypes

from neuronc.dtypes import BY_NAME
from tests.fuzz.grower import Grower, array
from tests.fuzz.scope import Scope
from tests.fuzz.values import EXACT_MAX, FLOATS, SIZE_MAX, Type, Value

XLA_KEEPS_NAN = 4096
"""From so many elements on, XLA on CPU (jaxlib 0.10) takes extremes in a tree that loses NaN."""
_NEUTRAL_FLOAT = {"add": 0.0, "maximum": -1e4, "minimum": 1e4}
_NEUTRAL = {"add": 0, "or": 0, "xor": 0, "multiply": 1, "and": -1}


def neutral(g: Grower, name: str, type_: Type) -> Value:
    """A constant that changes no result; of floats, one beyond the bound of all others."""
    if type_.kind in FLOATS:
        number = _NEUTRAL_FLOAT[name]
        return g.scope.constant(type_, f"{number:e}", abs(number))
    if type_.kind == "i1":
        return g.scope.constant(type_, "true" if name == "and" else "false", 1.0)
    info = ml_dtypes.iinfo(BY_NAME[type_.kind].numpy)
    extremes = {"maximum": int(info.min), "minimum": int(info.max)}
    number = extremes[name] if name in extremes else _NEUTRAL[name]
    number = int(info.max) if number == -1 and type_.kind.startswith("u") else number
    return g.scope.constant(type_, str(number), float(abs(number)))


def reduce(g: Grower) -> None:
    """Add, extremes or logic over some dimensions, from any initial value."""
    x = g.pick(lambda v: v.type.rank >= 1, 1, 4)
    dimensions = g.subset(range(x.type.rank), 1)
    names = ("add", "maximum", "minimum")
    if not x.type.is_float:
        names = ("add", "maximum", "minimum", "multiply", "and", "or", "xor")
    if x.type.kind == "i1":
        names = ("and", "or", "xor")
    name = g.choose(names)
    if x.type.kind == "ui4" or x.type.kind == "i4":
        return
    made = reduced(g, name, x, dimensions)
    if made is not None and g.chance(2):
        kept = [d for d in range(x.type.rank) if d not in dimensions]
        g.repeat(made, x.type, kept)


def reduced(g: Grower, name: str, x: Value, dimensions: list[int]) -> Value | None:
    """A reduce op, or None where its sum would overflow."""
    if x.type.is_float and x.type.size >= XLA_KEEPS_NAN and g.scope.may_be_nan:
        return None
    scalar = x.type.shaped(())
    count = prod(x.type.shape[d] for d in dimensions)
    # XLA adds an initial value to each part of a sum, and leaves it out of a sum of one.
    idempotent = name in ("maximum", "minimum", "and", "or") and count > 1
    first = g.like(scalar) if idempotent and g.chance(3) else neutral(g, name, scalar)
    bound = max(x.bound, first.bound)
    if name == "add":
        bound = x.bound * count + first.bound
        limit = EXACT_MAX.get(x.type.kind, 0) if x.exact and first.exact else 1e5
        if x.type.is_float and bound > limit:
            return None
        if x.type.kind in ("f16", "bf16") and not x.exact and count > 64:
            return None
    if not x.type.is_float:
        bound = 2.0**64 if name in ("add", "multiply") else bound
    shape = [n for d, n in enumerate(x.type.shape) if d not in dimensions]
    region = function_region(g, name, scalar)
    return g.scope.op(
        "reduce",
        [x, first],
        x.type.shaped(shape),
        f"dimensions = {array(dimensions)}",
        bound=bound,
        regions=region,
    )


def function_region(g: Grower, name: str, scalar: Type) -> str:
    """A region of one binary function."""
    inner = Scope(g.scope.names)
    a, b = (Value(g.scope.names.fresh("r"), scalar, 1.0) for _ in range(2))
    result = inner.op(name, [a, b], scalar, bound=1.0)
    return inner.region([a, b], [result])[0]


def argmax(g: Grower) -> None:
    """Extreme and position, as JAX writes argmax."""
    x = g.pick(lambda v: v.exact and v.type.rank >= 1 and v.type.kind in ("f32", "i32"), 1, 3)
    d = g.number(0, x.type.rank - 1)
    direction = g.choose(("GT", "LT"))
    places = g.scope.op(
        "iota", [], x.type.of("i32"), f"iota_dimension = {d} : i64", bound=float(x.type.shape[d])
    )
    literal = {"f32": ("0xFF800000", "0x7F800000"), "i32": (str(-(2**31)), str(2**31 - 1))}
    kind = x.type.kind
    first = g.scope.constant(Type((), kind), literal[kind][direction == "LT"], inf)
    zero = g.scope.constant(Type((), "i32"), "0", 0.0)
    shape = tuple(n for i, n in enumerate(x.type.shape) if i != d)
    style = "FLOAT" if kind == "f32" else "SIGNED"
    a, i, b, j, *t = (g.scope.names.fresh("m") for _ in range(12))

    def cmp(name: str, left: str, right: str, how: str, of: str, style: str) -> str:
        return (
            f'{name} = "stablehlo.compare"({left}, {right}) <{{comparison_direction = '
            f"#stablehlo<comparison_direction {how}>, compare_type = "
            f"#stablehlo<comparison_type {style}>}}> : (tensor<{of}>, tensor<{of}>) -> tensor<i1>"
        )

    region = "\n".join(
        [
            f"{{\n^bb0({a}: tensor<{kind}>, {i}: tensor<i32>, {b}: tensor<{kind}>, "
            f"{j}: tensor<i32>):",
            cmp(t[0], a, b, direction, kind, style),
            cmp(t[1], a, a, "NE", kind, style),
            f"{t[2]} = stablehlo.or {t[0]}, {t[1]} : tensor<i1>",
            cmp(t[3], a, b, "EQ", kind, style),
            cmp(t[4], i, j, "LT", "i32", "SIGNED"),
            f"{t[5]} = stablehlo.and {t[3]}, {t[4]} : tensor<i1>",
            f"{t[6]} = stablehlo.or {t[2]}, {t[5]} : tensor<i1>",
            f"{a}s = stablehlo.select {t[2]}, {a}, {b} : tensor<i1>, tensor<{kind}>",
            f"{a}t = stablehlo.select {t[6]}, {i}, {j} : tensor<i1>, tensor<i32>",
            f'"stablehlo.return"({a}s, {a}t) : (tensor<{kind}>, tensor<i32>) -> ()\n}}',
        ]
    )
    g.scope.ops(
        "reduce",
        [x, places, first, zero],
        [(Type(shape, kind), x.bound, True), (Type(shape, "i32"), 2.0**31, True)],
        f"dimensions = {array([d])}",
        regions=region,
    )


def window(g: Grower) -> None:
    """Pooling, with padding and dilations."""
    x = g.pick(
        lambda v: 1 <= v.type.rank <= 4 and v.type.kind in ("f32", "i32", "bf16", "f64"), 1, 4
    )
    name = g.choose(("add", "maximum", "minimum"))
    sizes = [min(g.number(1, 3), n) for n in x.type.shape]
    strides = [g.number(1, 2) for _ in sizes]
    dilations = [g.choose((1, 1, 2)) for _ in sizes]
    base = [g.choose((1, 1, 1, 2)) for _ in sizes]
    padding = [(g.number(0, 2), g.number(0, 2)) for _ in sizes]
    shape = [
        (lo + hi + (n - 1) * b + 1 - ((w - 1) * dil + 1)) // s + 1
        for n, w, s, dil, b, (lo, hi) in zip(
            x.type.shape, sizes, strides, dilations, base, padding, strict=True
        )
    ]
    if any(n < 1 for n in shape) or prod(shape) > SIZE_MAX:
        return
    bound = x.bound * prod(sizes) if name == "add" else max(x.bound, 1e4)
    limit = EXACT_MAX.get(x.type.kind, 2.0**64) if x.exact else 1e4
    if x.type.is_float and name == "add" and bound > limit:
        return
    scalar = x.type.shaped(())
    first = neutral(g, name, scalar)
    pairs = ", ".join(f"[{lo}, {hi}]" for lo, hi in padding)
    attributes = (
        f"window_dimensions = {array(sizes)}, window_strides = {array(strides)}, "
        f"base_dilations = {array(base)}, window_dilations = {array(dilations)}, "
        f"padding = dense<[{pairs}]> : tensor<{len(sizes)}x2xi64>"
    )
    region = function_region(g, name, scalar)
    g.scope.op(
        "reduce_window", [x, first], x.type.shaped(shape), attributes, bound=bound, regions=region
    )


def cumulative(g: Grower) -> None:
    """A running sum or extreme, as JAX writes it on CPU."""
    x = g.pick(lambda v: 1 <= v.type.rank <= 3 and v.type.kind in ("f32", "i32"), 1, 3)
    d = g.number(0, x.type.rank - 1)
    n = x.type.shape[d]
    name = g.choose(("add", "maximum"))
    if n > 300 or (x.type.is_float and name == "add" and x.bound * n > 1e5):
        return
    sizes = [n if i == d else 1 for i in range(x.type.rank)]
    ones = [1] * x.type.rank
    back = g.chance(2)
    pairs = [((0, n - 1) if back else (n - 1, 0)) if i == d else (0, 0) for i in range(len(sizes))]
    scalar = x.type.shaped(())
    first = neutral(g, name, scalar)
    attributes = (
        f"window_dimensions = {array(sizes)}, window_strides = {array(ones)}, "
        f"base_dilations = {array(ones)}, window_dilations = {array(ones)}, padding = "
        f"dense<[{', '.join(f'[{a}, {b}]' for a, b in pairs)}]> : tensor<{len(sizes)}x2xi64>"
    )
    bound = max(x.bound * n, 1e4) if x.type.is_float else 2.0**64
    region = function_region(g, name, scalar)
    g.scope.op("reduce_window", [x, first], x.type, attributes, bound=bound, regions=region)


def sort(g: Grower) -> None:
    """One value sorted, or exact keys with a payload."""
    x = g.pick(lambda v: v.type.rank >= 1 and v.type.kind in ("f32", "i32", "i8", "bf16"), 1, 3)
    d = g.number(0, x.type.rank - 1)
    scalar = x.type.shaped(())
    operands = [x]
    if x.exact and g.chance(2):
        operands.append(g.like(g.like(x.type).type.of(g.choose(("f32", "i32")))))
    inner = Scope(g.scope.names)
    arguments = [
        Value(g.scope.names.fresh("s"), t.type.shaped(()), 1.0) for t in operands for _ in range(2)
    ]
    direction = g.choose(("LT", "GT"))
    attributes = f"comparison_direction = #stablehlo<comparison_direction {direction}>"
    if x.type.is_float:
        # Without NaN's place in the order, what comes out depends on the algorithm.
        attributes += ", compare_type = #stablehlo<comparison_type TOTALORDER>"
    less = inner.op("compare", arguments[:2], scalar.of("i1"), attributes, bound=1.0)
    region, _ = inner.region(arguments, [less])
    g.scope.ops(
        "sort",
        operands,
        [(v.type, v.bound, v.exact) for v in operands],
        f"dimension = {d} : i64, is_stable = true",
        regions=region,
    )
