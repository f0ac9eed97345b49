"""Complex functions in complex128 where NumPy has none, or loses accuracy."""

from __future__ import annotations

import numpy as np

from neuronc.numerics.casting import Array, imaginary, real


def pack(a: Array, b: Array) -> Array:
    """`a + i b`, without arithmetic so that NaN and infinities stay apart."""
    shape = np.broadcast_shapes(a.shape, b.shape)
    parts = np.empty((*shape, 2), np.float32 if a.dtype == np.float32 else np.float64)
    parts[..., 0], parts[..., 1] = a, b
    result: Array = parts.view(f"c{2 * parts.itemsize}")[..., 0]
    return result


def sign(x: Array) -> Array:
    """`x / |x|`, 0 for 0, NaN when a part is NaN."""
    magnitude = np.abs(x)
    result = pack(real(x) / magnitude, imaginary(x) / magnitude)
    result = np.where(magnitude == 0, x, result)
    return np.where(np.isnan(magnitude), complex(np.nan, np.nan), result)


def rsqrt(x: Array) -> Array:
    """1 / sqrt(x): a zero in the right direction for every infinity, no direction for 0."""
    size, angle = magnitude(x), -np.arctan2(imaginary(x), real(x)) / 2
    angle = np.where(np.isnan(angle), 0, angle)
    vanished = pack(0 * np.cos(angle), 0 * np.sin(angle))
    result = np.where(np.isinf(size), vanished, np.reciprocal(np.sqrt(x)))
    return np.where(size == 0, complex(np.inf, np.nan), result)


def logistic(x: Array) -> Array:
    """1 / (1 + exp(-x)), as exp(x) / (1 + exp(x)) where exp(-x) may be infinite."""
    left = real(x) < 0
    power = np.exp(np.where(left, x, -x))
    return np.where(left, power, 1) / (1 + power)


def cbrt(x: Array) -> Array:
    """The principal cube root."""
    return np.power(x, 1 / 3)


def log_plus_one(x: Array) -> Array:
    """log(1 + x); the real part is log1p(2 a + a^2 + b^2) / 2 where 1 + x is near the circle."""
    a, b = real(x), imaginary(x)
    near = np.log1p(a * (2 + a) + b * b) / 2
    far = np.log(np.hypot(1 + a, b))
    return pack(np.where(np.abs(a) + np.abs(b) < 0.5, near, far), np.arctan2(b, 1 + a))


def exponential_minus_one(x: Array) -> Array:
    """exp(x) - 1 = expm1(a) cos(b) - 2 sin(b / 2)^2 + i exp(a) sin(b)."""
    a, b = real(x), imaginary(x)
    above = np.expm1(a) * np.cos(b) - 2 * np.square(np.sin(b / 2))
    return pack(above, np.where(b == 0, b, np.exp(a) * np.sin(b)))


def magnitude(x: Array) -> Array:
    """|x|, as a real number of the same width, without overflow."""
    return np.hypot(real(x), imaginary(x))


def multiply(x: Array, y: Array) -> Array:
    """(a + ib)(c + id) = ac - bd + i(bc + ad), fused as XLA's CPU code is: bd and ad rounded."""
    a, b, c, d = real(x), imaginary(x), real(y), imaginary(y)
    if x.dtype == np.complex128:
        return pack(a * c - b * d, b * c + a * d)
    c64 = c.astype(np.float64)
    return pack((a * c64 - b * d).astype(np.float32), (b * c64 + a * d).astype(np.float32))


def square(x: Array) -> Array:
    """`x * x` as (a - b)(a + b) + i 2ab."""
    a, b = real(x), imaginary(x)
    above = np.where(np.isinf(a) & np.isinf(b), a.dtype.type(np.nan), (a - b) * (a + b))
    return pack(above, 2 * a * b)


def power(x: Array, y: Array) -> Array:
    """`x ** y`, with 0 ** 0 = 1."""
    return np.power(x, y)


def exponential(x: Array) -> Array:
    """exp(x)."""
    return np.exp(x)


def log(x: Array) -> Array:
    """The principal logarithm."""
    return np.log(x)


def sqrt(x: Array) -> Array:
    """The principal square root."""
    return np.sqrt(x)


def sine(x: Array) -> Array:
    """sin(x)."""
    return np.sin(x)


def cosine(x: Array) -> Array:
    """cos(x)."""
    return np.cos(x)


def tan(x: Array) -> Array:
    """`tan(x)`."""
    return np.tan(x)


def tanh(x: Array) -> Array:
    """`tanh(x)`."""
    return np.tanh(x)


def atan2(x: Array, y: Array) -> Array:
    """-i log((y + i x) / sqrt(x * x + y * y))."""
    return -1j * np.log((y + 1j * x) / np.sqrt(x * x + y * y))
