"""Arithmetic of two tensors, or of a tensor and a number.

Operands are converted to the type that torch promotes them to and broadcast; functions of several
steps compute in float32 for the 16-bit floats, as torch's kernels do, and round once.
"""

from __future__ import annotations

from collections.abc import Callable

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, element_of
from neuronc.torch.elements import is_float
from neuronc.torch.ops.elementwise import truncated
from neuronc.torch.scope import Scope, opmath
from neuronc.torch.table import Emitter, Number, Operand, aten


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
        return _floored_float(b, x, y)
    quotient = b.divide(x, y)
    rest = b.binary("remainder", x, y)
    if element_of(x).startswith("ui"):
        return quotient
    apart = b.compare("NE", b.unary("sign", rest), b.unary("sign", y))
    inexact = b.binary("and", apart, b.compare("NE", rest, b.like(0, rest)))
    return b.subtract(quotient, b.convert(inexact, element_of(x)))


def _floored_float(b: Build, x: Value, y: Value) -> Value:
    """As torch's `div_floor_floating`: exact where x / y rounds up; 1 // -inf is -1."""
    rest = b.binary("remainder", x, y)
    quotient = b.divide(b.subtract(x, rest), y)
    below = b.subtract(quotient, b.like(1, quotient))
    rounded = b.unary("round_nearest_even", b.select(_moved(b, rest, y), below, quotient))
    return b.select(b.compare("EQ", y, b.like(0, y)), b.divide(x, y), rounded)


def _moved(b: Build, rest: Value, y: Value) -> Value:
    """Whether a remainder that is not 0 has the other sign than the divisor."""
    zero = b.like(0, rest)
    apart = b.compare("NE", b.compare("LT", rest, zero), b.compare("LT", y, zero))
    return b.binary("and", apart, b.compare("NE", rest, zero))


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
    return b.select(_moved(b, rest, y), b.add(rest, y), rest)


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
