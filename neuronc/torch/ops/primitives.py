"""Torch's primitive operations that its own decompositions leave behind."""

from __future__ import annotations

from collections.abc import Sequence

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, element_of, shape_of
from neuronc.torch.elements import is_float
from neuronc.torch.scope import Scope
from neuronc.torch.table import EMITTERS, Operand, prims

_BITS = {"f16": "i16", "bf16": "i16", "f32": "i32", "f64": "i64"}


@prims("fma")
def fma(s: Scope, x: Operand, y: Operand, z: Operand) -> Value:
    """X * y + z; torch rounds once, this twice."""
    kind = s.out.element
    wide = [s.wide(s.fit(v, kind)) for v in (x, y, z)]
    return s.narrow(s.b.add(s.b.multiply(wide[0], wide[1]), wide[2]))


@prims("fmax")
def fmax(s: Scope, x: Value, y: Value) -> Value:
    """The larger of each pair; the other one where one is NaN."""
    return _but_nan(s, "maximum", x, y)


@prims("fmin")
def fmin(s: Scope, x: Value, y: Value) -> Value:
    """The smaller of each pair; the other one where one is NaN."""
    return _but_nan(s, "minimum", x, y)


def _but_nan(s: Scope, name: str, x: Value, y: Value) -> Value:
    b, left, right = s.b, s.fit(x), s.fit(y)
    made = b.binary(name, left, right)
    if not is_float(element_of(made)):
        return made
    made = b.select(b.compare("NE", right, right), left, made)
    return b.select(b.compare("NE", left, left), right, made)


@prims("signbit")
def signbit(s: Scope, x: Value) -> Value:
    """Whether a number has a minus sign, as -0.0 and some NaNs do."""
    b, bits = s.b, _BITS.get(element_of(x))
    if bits is not None:
        x = b.one("bitcast_convert", [x], shape_of(x), bits)
    return b.compare("LT", x, b.like(0, x))


@prims("broadcast_in_dim")
def broadcast_in_dim(s: Scope, x: Value, shape: Sequence[int], dims: Sequence[int]) -> Value:
    """Dimension k becomes dimension dims[k]; the others repeat."""
    return s.b.broadcast_in_dim(x, s.out.shape, dims)


@prims("cbrt")
def cbrt(s: Scope, x: Value) -> Value:
    """The cube root."""
    return s.narrow(s.b.unary("cbrt", s.wide(x)))


@prims("hypot")
def hypot(s: Scope, x: Value, y: Value) -> Value:
    """The root of the sum of squares, which are scaled so that they do not overflow."""
    b = s.b
    p, q = (b.unary("abs", s.wide(s.fit(v))) for v in (x, y))
    high, low = b.maximum(p, q), b.minimum(p, q)
    plain = b.binary("or", b.compare("EQ", high, b.like(0, high)), _infinite(b, high))
    rate = b.divide(low, b.select(plain, b.like(1, high), high))
    made = b.multiply(high, b.unary("sqrt", b.add(b.like(1, rate), b.multiply(rate, rate))))
    return s.narrow(b.select(plain, high, made))


def _infinite(b: Build, x: Value) -> Value:
    return b.compare("EQ", x, b.like(float("inf"), x))


@prims("gcd")
def gcd(s: Scope, x: Value, y: Value) -> Value:
    """Euclid's algorithm for all elements at once."""
    b, zero, unsigned = s.b, s.b.splat(0, (), s.out.element), s.out.element.startswith("ui")
    sizes = [v if unsigned else b.unary("abs", v) for v in (s.fit(x), s.fit(y))]

    def more(inner: Build, _: Value, q: Value) -> list[Value]:
        left = inner.compare("NE", q, inner.broadcast(zero, shape_of(q)))
        return [inner.fold("or", left, False, list(range(len(shape_of(q)))))]

    def step(inner: Build, p: Value, q: Value) -> list[Value]:
        done = inner.compare("EQ", q, inner.like(0, q))
        rest = inner.binary("remainder", p, inner.select(done, inner.like(1, q), q))
        return [inner.select(done, p, q), inner.select(done, q, rest)]

    return b.while_loop(sizes, more, step)[0]


@prims("nextafter")
def nextafter(s: Scope, x: Value, y: Value) -> Value:
    """The neighbour of x on the way to y."""
    return s.b.chlo("next_after", s.fit(x), s.fit(y))


_ALIKE = {
    "default": (
        *("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "atan2", "bitwise_not", "ceil"),
        *("clone", "conj_physical", "cos", "cosh", "digamma", "erf", "erfc", "exp", "exp2"),
        *("expm1", "floor", "imag", "isfinite", "lgamma", "log", "log10", "log1p", "log2"),
        *("maximum", "minimum", "neg", "real", "reciprocal", "round", "rsqrt", "sign", "sin"),
        *("sinh", "sqrt", "tan", "tanh", "trunc"),
    ),
    "Tensor": (
        *("add", "bitwise_and", "bitwise_or", "bitwise_xor", "div", "eq", "fmod", "ge", "gt"),
        *("le", "lt", "mul", "ne", "remainder", "sub"),
    ),
}
"""Primitives that do what this overload of ATen's operation of their name does."""
_OTHERWISE = {
    "cat": "aten.cat.default",
    "collapse": "aten.view.default",
    "collapse_view": "aten.view.default",
    "erf_inv": "aten.erfinv.default",
    "fill": "aten.fill.Scalar",
    "pow": "aten.pow.Tensor_Tensor",
    "reshape": "aten.view.default",
    "rev": "aten.flip.default",
    "shift_left": "aten.bitwise_left_shift.Tensor",
    "shift_right_arithmetic": "aten.bitwise_right_shift.Tensor",
    "split_dim": "aten.view.default",
    "squeeze": "aten.view.default",
    "transpose": "aten.permute.default",
    "view_of": "aten.alias.default",
    "where": "aten.where.self",
}
"""Those with another name there."""


def alias_primitives() -> None:
    """Give primitives the emitters of ATen's operations, once these are in the table."""
    for overload, names in _ALIKE.items():
        for name in names:
            prims(name)(EMITTERS[f"aten.{name}.{overload}"])
    for name, full in _OTHERWISE.items():
        prims(name)(EMITTERS[full])
