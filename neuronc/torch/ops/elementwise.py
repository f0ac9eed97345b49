"""Functions of the elements: arithmetic, comparison, logic.

Operands are converted to the type that torch promotes them to and broadcast; functions of several
steps compute in float32 for the 16-bit floats, as torch's kernels do, and round once.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log, pi

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, element_of
from neuronc.torch.elements import is_complex, is_float
from neuronc.torch.scope import Scope, opmath
from neuronc.torch.table import EMITTERS, Emitter, Number, Operand, aten

UNARY: dict[str, str] = {
    "abs": "abs",
    "ceil": "ceil",
    "cos": "cosine",
    "exp": "exponential",
    "expm1": "exponential_minus_one",
    "floor": "floor",
    "log": "log",
    "log1p": "log_plus_one",
    "neg": "negate",
    "round": "round_nearest_even",
    "rsqrt": "rsqrt",
    "sigmoid": "logistic",
    "sign": "sign",
    "sin": "sine",
    "sqrt": "sqrt",
    "tan": "tan",
    "tanh": "tanh",
    "bitwise_not": "not",
}
"""StableHLO's function of the same name, on the result's type."""

CHLO: dict[str, str] = {
    "acos": "acos",
    "acosh": "acosh",
    "asin": "asin",
    "asinh": "asinh",
    "atan": "atan",
    "atanh": "atanh",
    "cosh": "cosh",
    "digamma": "digamma",
    "erf": "erf",
    "erfc": "erfc",
    "erfinv": "erf_inv",
    "lgamma": "lgamma",
    "sinh": "sinh",
}
"""The same of CHLO."""

_INTEGRAL = ("ceil", "floor", "round", "trunc")


def _unary(torch_name: str, name: str) -> Emitter:
    def emit(s: Scope, x: Value) -> Value:
        y = s.cast(x)
        if torch_name in _INTEGRAL and not is_float(element_of(y)):
            return y
        if torch_name == "abs" and (is_complex(element_of(x)) or element_of(y).startswith("ui")):
            return (
                s.b.one("abs", [x], s.out.shape, s.out.element) if is_complex(element_of(x)) else y
            )
        if torch_name == "sign" and s.out.element in ("i1", "ui8"):
            return s.b.convert(s.b.convert(y, "i1"), s.out.element)
        if torch_name == "neg" and element_of(y).startswith("ui"):
            return s.b.subtract(s.b.like(0, y), y)
        return s.b.unary(name, y)

    return emit


def _chlo(name: str) -> Emitter:
    def emit(s: Scope, x: Value) -> Value:
        return s.b.chlo(name, s.cast(x))

    return emit


for _torch_name, _name in UNARY.items():
    EMITTERS[f"aten.{_torch_name}.default"] = _unary(_torch_name, _name)
for _torch_name, _name in CHLO.items():
    EMITTERS[f"aten.{_torch_name}.default"] = _chlo(_name)
EMITTERS["aten.special_erfinv.default"] = EMITTERS["aten.erfinv.default"]


def _computed(function: Callable[[Build, Value], Value]) -> Emitter:
    """A function of several steps, computed in the wide type and rounded once."""

    def emit(s: Scope, x: Value) -> Value:
        return s.narrow(function(s.b, s.wide(s.cast(x))))

    return emit


def _scaled_log(base: float) -> Emitter:
    return _computed(lambda b, x: b.divide(b.unary("log", x), b.like(base, x)))


EMITTERS["aten.log2.default"] = _scaled_log(log(2.0))
EMITTERS["aten.log10.default"] = _scaled_log(log(10.0))
EMITTERS["aten.exp2.default"] = _computed(lambda b, x: b.binary("power", b.like(2, x), x))
EMITTERS["aten.reciprocal.default"] = _computed(lambda b, x: b.divide(b.like(1, x), x))
EMITTERS["aten.deg2rad.default"] = _computed(lambda b, x: b.multiply(x, b.like(pi / 180, x)))
EMITTERS["aten.silu.default"] = _computed(lambda b, x: b.multiply(x, b.unary("logistic", x)))
EMITTERS["aten.square.default"] = _computed(lambda b, x: b.multiply(x, x))


@aten("trunc")
def trunc(s: Scope, x: Value) -> Value:
    """Toward zero."""
    y = s.cast(x)
    return truncated(s.b, y) if is_float(element_of(y)) else y


def truncated(b: Build, x: Value) -> Value:
    """The integer part of floats."""
    negative = b.compare("LT", x, b.like(0, x))
    return b.select(negative, b.unary("ceil", x), b.unary("floor", x))


@aten("round.decimals")
def round_decimals(s: Scope, x: Value, decimals: int = 0) -> Value:
    """To a number of decimal places."""
    scale = s.b.like(10.0**decimals, x)
    return s.b.divide(s.b.unary("round_nearest_even", s.b.multiply(x, scale)), scale)


@aten("frac")
def frac(s: Scope, x: Value) -> Value:
    """What is left of the integer part."""
    return s.b.subtract(x, truncated(s.b, x))


@aten("isnan")
def isnan(s: Scope, x: Value) -> Value:
    """Whether it is no number."""
    return s.b.compare("NE", x, x)


@aten("isinf")
def isinf(s: Scope, x: Value) -> Value:
    """Whether it, or a part of it, is infinite."""
    return _of_parts(s, x, "or", False, lambda p: _to_infinity(s.b, "EQ", p))


def _to_infinity(b: Build, direction: str, x: Value) -> Value:
    return b.compare(direction, b.unary("abs", x), b.like(float("inf"), x))


def _of_parts(s: Scope, x: Value, join: str, whole: bool, test: Callable[[Value], Value]) -> Value:
    """A test of a float, or of both parts of a complex number; what all whole numbers are."""
    element = element_of(x)
    if is_float(element):
        return test(x)
    if not is_complex(element):
        return s.b.splat(whole, s.out.shape, "i1")
    part = element[len("complex<") : -1]
    parts = [s.b.one(name, [x], s.out.shape, part) for name in ("real", "imag")]
    return s.b.binary(join, test(parts[0]), test(parts[1]))


@aten("isfinite")
def isfinite(s: Scope, x: Value) -> Value:
    """Whether it is a number that is not infinite."""
    return _of_parts(s, x, "and", True, lambda p: _to_infinity(s.b, "LT", p))


@aten("logical_not")
def logical_not(s: Scope, x: Value) -> Value:
    """Whether it is zero."""
    return s.b.unary("not", s.b.convert(x, "i1"))


# Two operands.


def _arithmetic(name: str) -> Emitter:
    def emit(s: Scope, x: Operand, y: Operand) -> Value:
        return s.b.binary(name, s.fit(x), s.fit(y))

    return emit


for _names, _name in {
    ("mul.Tensor", "mul.Scalar"): "multiply",
    ("maximum",): "maximum",
    ("minimum",): "minimum",
    ("atan2",): "atan2",
    ("bitwise_and.Tensor", "bitwise_and.Scalar"): "and",
    ("bitwise_or.Tensor", "bitwise_or.Scalar"): "or",
    ("bitwise_xor.Tensor", "bitwise_xor.Scalar"): "xor",
    (
        *("bitwise_left_shift.Tensor", "bitwise_left_shift.Tensor_Scalar"),
        *("__lshift__.Tensor", "__lshift__.Scalar"),
    ): "shift_left",
}.items():
    aten(*_names)(_arithmetic(_name))


def _shifted(s: Scope, x: Operand, y: Operand) -> Value:
    """The sign fills in, of types that have one."""
    logical = s.out.element.startswith("ui")
    name = "shift_right_logical" if logical else "shift_right_arithmetic"
    return s.b.binary(name, s.fit(x), s.fit(y))


aten("bitwise_right_shift.Tensor", "bitwise_right_shift.Tensor_Scalar")(_shifted)
aten("__rshift__.Tensor", "__rshift__.Scalar")(_shifted)


def _sum(name: str, x: Operand, y: Operand, alpha: Number, s: Scope) -> Value:
    """X plus or minus alpha y, rounded once."""
    if s.out.element == "i1":
        return s.b.binary("or", s.fit(x), s.fit(y)) if alpha else s.fit(x)
    if alpha == 1:
        return s.b.binary(name, s.fit(x), s.fit(y))
    kind = opmath(s.out.element)
    scaled = s.b.multiply(s.fit(y, kind), s.b.splat(alpha, s.out.shape, kind))
    return s.narrow(s.b.binary(name, s.fit(x, kind), scaled))


@aten("add.Tensor", "add.Scalar")
def add(s: Scope, x: Operand, y: Operand, alpha: Number = 1) -> Value:
    """X + alpha y."""
    return _sum("add", x, y, alpha, s)


@aten("sub.Tensor", "sub.Scalar")
def sub(s: Scope, x: Operand, y: Operand, alpha: Number = 1) -> Value:
    """X - alpha y."""
    return _sum("subtract", x, y, alpha, s)


@aten("rsub.Tensor", "rsub.Scalar")
def rsub(s: Scope, x: Operand, y: Operand, alpha: Number = 1) -> Value:
    """Y - alpha x."""
    return _sum("subtract", y, x, alpha, s)


def floored(b: Build, x: Value, y: Value) -> Value:
    """The quotient toward minus infinity, of integers or floats."""
    if is_float(element_of(x)):
        quotient = b.divide(b.subtract(x, python_remainder(b, x, y)), y)
        rounded = b.unary("round_nearest_even", quotient)
        plain = b.unary("floor", b.divide(x, y))
        finite = b.compare("EQ", b.subtract(quotient, quotient), b.like(0, quotient))
        return b.select(finite, rounded, plain)
    quotient = b.divide(x, y)
    rest = b.binary("remainder", x, y)
    if element_of(x).startswith("ui"):
        return quotient
    apart = b.compare("NE", b.unary("sign", rest), b.unary("sign", y))
    inexact = b.binary("and", apart, b.compare("NE", rest, b.like(0, rest)))
    return b.subtract(quotient, b.convert(inexact, element_of(x)))


@aten("div.Tensor", "div.Scalar", "div.Tensor_mode", "div.Scalar_mode", "true_divide.Tensor")
def div(s: Scope, x: Operand, y: Operand, rounding_mode: str | None = None) -> Value:
    """X / y, rounded to an integer where a mode says so."""
    p, q = s.fit(x), s.fit(y)
    if rounding_mode == "floor":
        return floored(s.b, p, q)
    quotient = s.b.divide(p, q)
    if rounding_mode == "trunc" and is_float(element_of(p)):
        return truncated(s.b, quotient)
    return quotient


@aten("floor_divide", "floor_divide.Scalar")
def floor_divide(s: Scope, x: Operand, y: Operand) -> Value:
    """The quotient toward minus infinity."""
    return floored(s.b, s.fit(x), s.fit(y))


def python_remainder(b: Build, x: Value, y: Value) -> Value:
    """The remainder with the sign of the divisor."""
    rest = b.binary("remainder", x, y)
    if element_of(x).startswith("ui"):
        return rest
    zero = b.like(0, rest)
    apart = b.compare("NE", b.compare("LT", rest, zero), b.compare("LT", y, zero))
    moved = b.binary("and", apart, b.compare("NE", rest, zero))
    return b.select(moved, b.add(rest, y), rest)


@aten("remainder.Tensor", "remainder.Scalar", "remainder.Scalar_Tensor")
def remainder(s: Scope, x: Operand, y: Operand) -> Value:
    """The remainder with the sign of the divisor."""
    return python_remainder(s.b, s.fit(x), s.fit(y))


@aten("fmod.Tensor", "fmod.Scalar")
def fmod(s: Scope, x: Operand, y: Operand) -> Value:
    """The remainder with the sign of the dividend."""
    return s.b.binary("remainder", s.fit(x), s.fit(y))


@aten("pow.Tensor_Scalar", "pow.Tensor_Tensor", "pow.Scalar")
def power(s: Scope, x: Operand, y: Operand) -> Value:
    """X to the power y; small whole powers by multiplication, the root by `sqrt`."""
    kind = opmath(s.out.element)
    base = s.fit(x, kind)
    if isinstance(y, Value):
        return s.narrow(s.b.binary("power", base, s.fit(y, kind)))
    special: dict[Number, Callable[[], Value]] = {
        0: lambda: s.b.like(1, base),
        1: lambda: base,
        2: lambda: s.b.multiply(base, base),
        3: lambda: s.b.multiply(s.b.multiply(base, base), base),
    }
    real: dict[Number, Callable[[], Value]] = {
        0.5: lambda: s.b.unary("sqrt", base),
        -0.5: lambda: s.b.unary("rsqrt", base),
        -1: lambda: s.b.divide(s.b.like(1, base), base),
    }
    found = special.get(y) or (real.get(y) if is_float(kind) else None)
    return s.narrow(found() if found else s.b.binary("power", base, s.fit(y, kind)))


COMPARISONS = {"eq": "EQ", "ne": "NE", "lt": "LT", "le": "LE", "gt": "GT", "ge": "GE"}


def _comparison(direction: str) -> Emitter:
    def emit(s: Scope, x: Operand, y: Operand) -> Value:
        kind = s.common(0, 1)
        return s.b.compare(direction, s.fit(x, kind), s.fit(y, kind))

    return emit


for _torch_name, _name in COMPARISONS.items():
    aten(f"{_torch_name}.Tensor", f"{_torch_name}.Scalar")(_comparison(_name))


def _logical(name: str) -> Emitter:
    def emit(s: Scope, x: Operand, y: Operand) -> Value:
        return s.b.binary(name, s.fit(x, "i1"), s.fit(y, "i1"))

    return emit


for _torch_name in ("and", "or", "xor"):
    aten(f"logical_{_torch_name}")(_logical(_torch_name))


@aten("where.self", "where.ScalarOther", "where.ScalarSelf")
def where(s: Scope, chosen: Value, x: Operand, y: Operand) -> Value:
    """X where chosen, else y."""
    return s.b.select(s.fit(chosen, "i1"), s.fit(x), s.fit(y))


@aten("masked_fill.Scalar", "masked_fill.Tensor")
def masked_fill(s: Scope, x: Value, mask: Value, value: Operand) -> Value:
    """The value where the mask holds, else x."""
    return s.b.select(s.fit(mask, "i1"), s.fit(value), s.fit(x))


@aten("clamp", "clamp.Tensor", "hardtanh")
def clamp(s: Scope, x: Value, min: Operand | None = None, max: Operand | None = None) -> Value:
    """At least min, then at most max."""
    if str(s.node.target).startswith("aten.hardtanh"):
        min, max = -1 if min is None else min, 1 if max is None else max
    y = s.fit(x)
    y = y if min is None else s.b.maximum(y, s.fit(min))
    return y if max is None else s.b.minimum(y, s.fit(max))


@aten("clamp_min", "clamp_min.Tensor")
def clamp_min(s: Scope, x: Value, min: Operand) -> Value:
    """At least min."""
    return s.b.maximum(s.fit(x), s.fit(min))


@aten("clamp_max", "clamp_max.Tensor")
def clamp_max(s: Scope, x: Value, max: Operand) -> Value:
    """At most max."""
    return s.b.minimum(s.fit(x), s.fit(max))


@aten("addcmul")
def addcmul(s: Scope, x: Value, p: Value, q: Value, value: Number = 1) -> Value:
    """X + value p q."""
    kind = opmath(s.out.element)
    product = s.b.multiply(s.fit(p, kind), s.fit(q, kind))
    product = s.b.multiply(product, s.b.like(value, product)) if value != 1 else product
    return s.narrow(s.b.add(s.fit(x, kind), product))


@aten("addcdiv")
def addcdiv(s: Scope, x: Value, p: Value, q: Value, value: Number = 1) -> Value:
    """X + value p / q."""
    kind = opmath(s.out.element)
    product = s.fit(p, kind)
    product = s.b.multiply(product, s.b.like(value, product)) if value != 1 else product
    return s.narrow(s.b.add(s.fit(x, kind), s.b.divide(product, s.fit(q, kind))))
