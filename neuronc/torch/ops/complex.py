"""Complex numbers: made of parts, and taken apart.

The machine has none, so what computes with them runs in the library; parts are real tensors again.
"""

from __future__ import annotations

from math import pi

from neuronc.torch.building.values import Value, element_of
from neuronc.torch.elements import is_complex
from neuronc.torch.scope import Scope
from neuronc.torch.table import aten


@aten("view_as_real")
def view_as_real(s: Scope, x: Value) -> Value:
    """Real and imaginary parts in a new last dimension."""
    shape, element = s.out.shape, s.out.element
    parts = [s.b.one(name, [x], shape[:-1], element) for name in ("real", "imag")]
    return s.b.concatenate([s.b.reshape(p, (*shape[:-1], 1)) for p in parts], len(shape) - 1)


@aten("view_as_complex")
def view_as_complex(s: Scope, x: Value) -> Value:
    """The complex numbers whose parts are in the last dimension."""
    last = len(s.out.shape)
    parts = [s.b.reshape(s.b.slice_dim(x, last, i, i + 1), s.out.shape) for i in range(2)]
    return s.b.one("complex", parts, s.out.shape, s.out.element)


@aten("complex")
def complex_of(s: Scope, real: Value, imaginary: Value) -> Value:
    """The complex numbers of these parts."""
    part = s.out.element[len("complex<") : -1]
    parts = [s.fit(real, part), s.fit(imaginary, part)]
    return s.b.one("complex", parts, s.out.shape, s.out.element)


@aten("polar")
def polar(s: Scope, size: Value, angle: Value) -> Value:
    """The complex numbers of these sizes and angles."""
    part = s.out.element[len("complex<") : -1]
    r, a = s.fit(size, part), s.fit(angle, part)
    parts = [s.b.multiply(r, s.b.unary(name, a)) for name in ("cosine", "sine")]
    return s.b.one("complex", parts, s.out.shape, s.out.element)


@aten("real")
def real(s: Scope, x: Value) -> Value:
    """The real part."""
    return s.b.one("real", [x], s.out.shape, s.out.element)


@aten("imag")
def imag(s: Scope, x: Value) -> Value:
    """The imaginary part."""
    return s.b.one("imag", [x], s.out.shape, s.out.element)


@aten("angle")
def angle(s: Scope, x: Value) -> Value:
    """The angle of a complex number; pi for negative real ones, 0 for others, NaN for NaN."""
    b, shape, element = s.b, s.out.shape, s.out.element
    if is_complex(element_of(x)):
        parts = [b.one(name, [x], shape, element) for name in ("imag", "real")]
        return b.binary("atan2", *parts)
    y = s.cast(x)
    turned = b.select(b.compare("LT", y, b.like(0, y)), b.like(pi, y), b.like(0, y))
    return b.select(b.compare("NE", y, y), y, turned)
