"""Functions of one tensor's elements.

Functions of several steps compute in float32 for the 16-bit floats, as torch's kernels do, and
round once.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log, pi

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, element_of, shape_of
from neuronc.torch.elements import is_complex, is_float
from neuronc.torch.scope import Scope
from neuronc.torch.table import EMITTERS, Emitter, aten

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
        if torch_name == "sign":
            return _sign(s, y)
        if torch_name == "neg" and element_of(y).startswith("ui"):
            return s.b.subtract(s.b.like(0, y), y)
        return s.b.unary(name, y)

    return emit


def _sign(s: Scope, x: Value) -> Value:
    """-1, 0 or 1; 0 for NaN, as torch has it."""
    if s.out.element in ("i1", "ui8"):
        return s.b.convert(s.b.convert(x, "i1"), s.out.element)
    made = s.b.unary("sign", x)
    if not is_float(element_of(x)):
        return made
    return s.b.select(s.b.compare("EQ", x, x), made, s.b.like(0, made))


def _chlo(name: str) -> Emitter:
    def emit(s: Scope, x: Value) -> Value:
        return s.b.chlo(name, s.cast(x))

    return emit


for _torch_name, _name in UNARY.items():
    EMITTERS[f"aten.{_torch_name}.default"] = _unary(_torch_name, _name)
for _torch_name, _name in CHLO.items():
    EMITTERS[f"aten.{_torch_name}.default"] = _chlo(_name)
EMITTERS["aten.special_erfinv.default"] = EMITTERS["aten.erfinv.default"]


@aten("digamma")
def digamma(s: Scope, x: Value) -> Value:
    """The derivative of log gamma; at zero it is infinite on the side that the zero is on."""
    b, y = s.b, s.wide(s.cast(x))
    pole = b.divide(b.like(-1, y), y)
    return s.narrow(b.select(b.compare("EQ", y, b.like(0, y)), pole, b.chlo("digamma", y)))


def _computed(function: Callable[[Build, Value], Value]) -> Emitter:
    """A function of several steps, computed in the wide type and rounded once."""

    def emit(s: Scope, x: Value) -> Value:
        return s.narrow(function(s.b, s.wide(s.cast(x))))

    return emit


def _scaled_log(base: float) -> Emitter:
    return _computed(lambda b, x: _divided(b, b.unary("log", x), base))


def _divided(b: Build, x: Value, number: float) -> Value:
    """By a real number; of complex ones each part, for infinity times 0 i would be NaN."""
    element, shape = element_of(x), shape_of(x)
    if not is_complex(element):
        return b.divide(x, b.like(number, x))
    part = element[len("complex<") : -1]
    parts = [b.one(name, [x], shape, part) for name in ("real", "imag")]
    return b.one("complex", [b.divide(p, b.like(number, p)) for p in parts], shape, element)


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
    b, scale = s.b, s.b.like(10.0 ** abs(decimals), x)
    if decimals < 0:  # A tenth is no binary fraction: ties would be missed.
        return b.multiply(b.unary("round_nearest_even", b.divide(x, scale)), scale)
    return b.divide(b.unary("round_nearest_even", b.multiply(x, scale)), scale)


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
