"""Torch's primitive operations that its own decompositions leave behind."""

from __future__ import annotations

from neuronc.torch.building.values import Value, element_of, shape_of
from neuronc.torch.elements import is_float
from neuronc.torch.scope import Scope
from neuronc.torch.table import Operand, prims

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
