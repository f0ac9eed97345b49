"""Elementwise ops. Values are kept in the range where a function is smooth and finite."""

from __future__ import annotations

from math import exp

from tests.fuzz.grower import Grower
from tests.fuzz.values import EXACT_MAX, FLOATS, Type, Value

_BOUNDED = {"tanh": 1.0, "logistic": 1.0, "sine": 1.0, "cosine": 1.0, "chlo.erf": 1.0}


def unary(g: Grower) -> None:
    """A function of one operand."""
    x = g.pick(lambda v: v.type.is_float or v.type.is_integer)
    if x.type.is_float:
        _float_unary(g, x)
    else:
        name = g.choose(("negate", "abs", "not", "sign", "popcnt", "count_leading_zeros"))
        if name in ("abs", "sign", "negate") and x.type.kind.startswith("u"):
            name = "not"
        wide = name == "not" or x.bound > 2**20
        g.scope.op(name, [x], x.type, bound=2.0**64 if wide else max(x.bound, 64.0))


def _float_unary(g: Grower, x: Value) -> None:
    whole = ("abs", "negate", "sign", "floor", "ceil", "round_nearest_even", "round_nearest_afz")
    smooth = ("tanh", "logistic", "sine", "cosine", "exponential", "sqrt", "rsqrt", "log")
    rare = ("chlo.erf", "cbrt", "exponential_minus_one", "log_plus_one")
    name = g.choose(("abs", "negate") if not x.exact else whole if g.chance(2) else smooth + rare)
    if name in ("abs", "negate", *whole):
        g.scope.op(name, [x], x.type, bound=1.0 if name == "sign" else x.bound)
        return
    transcendental(g, g.choose(smooth + rare), x)


def transcendental(g: Grower, name: str, x: Value) -> Value:
    """A rounded function, after bringing its operand where it is smooth."""
    if name in ("exponential", "exponential_minus_one") and x.bound > 5:
        x = g.scope.op("tanh", [x], x.type, bound=1.0, exact=False)
    if name in ("sine", "cosine") and x.bound > 50:
        x = g.scope.op("logistic", [x], x.type, bound=1.0, exact=False)
    bound = _BOUNDED.get(name, max(x.bound, 2.0))
    if name in ("sqrt", "rsqrt", "log", "log_plus_one", "cbrt"):
        one = g.scope.constant(x.type, "1.0", 1.0)
        x = g.scope.op("abs", [x], x.type, bound=x.bound)
        x = g.scope.op("add", [x, one], x.type, bound=x.bound + 1)
    if name.startswith("exponential"):
        bound = exp(min(x.bound, 5.0)) + 1
    return g.scope.op(name, [x], x.type, bound=bound, exact=False)


def binary(g: Grower) -> None:
    """A function of two operands of one type."""
    x = g.pick(lambda v: v.type.is_float or v.type.is_integer)
    y = g.like(x.type)
    if g.chance(3):
        x, y = y, x
    if x.type.is_float:
        _float_binary(g, x, y)
    else:
        names = ("add", "subtract", "multiply", "maximum", "minimum", "and", "or", "xor")
        odd = ("divide", "remainder", "shift_left", "shift_right_logical", "shift_right_arithmetic")
        if x.type.kind in ("i4", "ui4"):
            odd = names
        name = g.choose(odd if g.chance(3) else names)
        bound = {"maximum": max, "minimum": max}.get(name, lambda a, b: 2.0**64)(x.bound, y.bound)
        if name in ("add", "subtract") and x.bound + y.bound < 100:
            bound = x.bound + y.bound
        if name in ("divide", "remainder"):
            # XLA's constant folder divides by 0, and the least integer by -1, and dies of SIGFPE.
            y = g.fresh(y.type)
        g.scope.op(name, [x, y], x.type, bound=bound)


def _float_binary(g: Grower, x: Value, y: Value) -> None:
    name = g.choose(("add", "subtract", "multiply", "maximum", "minimum", "divide", "atan2"))
    total, product = x.bound + y.bound, x.bound * y.bound
    limit = EXACT_MAX[x.type.kind] if x.exact and y.exact else 1e4
    if (name == "multiply" and product > limit) or (name in ("add", "subtract") and total > limit):
        name = "maximum"
    if name in ("divide", "atan2"):
        one = g.scope.constant(y.type, "1.0", 1.0)
        y = g.scope.op("abs", [y], y.type, bound=y.bound)
        y = g.scope.op("add", [y, one], y.type, bound=y.bound + 1)
        bound = x.bound if name == "divide" else 1.6
        g.scope.op(name, [x, y], x.type, bound=bound, exact=False)
        return
    bound = {"add": total, "subtract": total, "multiply": product}.get(name, max(x.bound, y.bound))
    g.scope.op(name, [x, y], x.type, bound=bound)


def compare(g: Grower) -> None:
    """Booleans from two exact values."""
    x = g.pick(lambda v: v.exact and (v.type.is_float or v.type.is_integer))
    y = g.like(x.type, exact=True)
    direction = g.choose(("LT", "EQ", "NE", "GE", "GT", "LE"))
    total = ""
    if x.type.is_float and g.chance(8):
        total = ", compare_type = #stablehlo<comparison_type TOTALORDER>"
    attributes = f"comparison_direction = #stablehlo<comparison_direction {direction}>{total}"
    g.scope.op("compare", [x, y], x.type.of("i1"), attributes, bound=1.0)


def select(g: Grower) -> None:
    """One of two values by a predicate of the same shape or a scalar one."""
    x = g.pick(lambda v: v.type.kind != "i1")
    y = g.like(x.type)
    scalar = g.chance(3)
    p = g.like(Type((), "i1") if scalar else x.type.of("i1"))
    g.scope.op("select", [p, x, y], x.type, bound=max(x.bound, y.bound), exact=x.exact and y.exact)


def clamp(g: Grower) -> None:
    """A value between two bounds, of its shape or scalars."""
    x = g.pick(lambda v: v.type.is_float or v.type.is_integer)
    scalar = g.chance(2)
    ends = x.type.shaped(()) if scalar else x.type
    low, high = g.like(ends), g.like(ends)
    bound = max(x.bound, low.bound, high.bound)
    g.scope.op("clamp", [low, x, high], x.type, bound=bound)


def logic(g: Grower) -> None:
    """Booleans from booleans."""
    x = g.pick(lambda v: v.type.kind == "i1")
    name = g.choose(("and", "or", "xor", "not"))
    operands = [x] if name == "not" else [x, g.like(x.type)]
    g.scope.op(name, operands, x.type, bound=1.0)


def convert(g: Grower) -> None:
    """Another element type; from inexact floats only to floats, and floats only in range."""
    x = g.pick(lambda v: v.type.kind in FLOATS or v.type.is_integer or v.type.kind == "i1")
    to = g.choose((*g.floats, *g.integers, "f32", "i32", "i1", "bf16"))
    if x.type.is_float and to not in FLOATS and not x.exact:
        to = "f32"
    if to == x.type.kind:
        to = "f32" if x.type.kind != "f32" else "i32" if x.exact else "bf16"
    convert_to(g, x, to)


def convert_to(g: Grower, x: Value, kind: str) -> Value:
    """A conversion; integers from floats only where the value fits."""
    fits = {"i8": 127, "ui8": 0, "i4": 7, "ui4": 0, "i16": 2**15 - 1, "ui16": 0}
    if x.type.is_float and kind in fits and x.bound > fits[kind]:
        kind = "i32"
    if x.type.is_float and kind.startswith("u"):
        kind = "i32"
    return g.scope.op("convert", [x], x.type.of(kind), bound=x.bound)
