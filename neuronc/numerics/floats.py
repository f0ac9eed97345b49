"""Real floating-point functions with StableHLO semantics where NumPy's differ or have no name."""

from __future__ import annotations

import numpy as np

from neuronc.numerics.casting import Array


def logistic(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return np.reciprocal(1 + np.exp(-x))


def rsqrt(x: Array) -> Array:
    """1 / sqrt(x)."""
    return np.reciprocal(np.sqrt(x))


def round_nearest_afz(x: Array) -> Array:
    """Nearest integer, halves away from zero; exact also just below a half."""
    magnitude = np.abs(x)
    whole = np.trunc(magnitude)
    whole = whole + (magnitude - whole >= 0.5)
    return np.copysign(np.where(np.isfinite(x), whole, magnitude), x).astype(x.dtype)


def sign(x: Array) -> Array:
    """-1, -0, +0, 1 or NaN."""
    return np.where(x == 0, x, np.sign(x))


def is_positive_infinity(x: Array) -> Array:
    """`x == inf`."""
    return np.isinf(x) & (x > 0)


def is_negative_infinity(x: Array) -> Array:
    """`x == -inf`."""
    return np.isinf(x) & (x < 0)


def next_after(x: Array, y: Array) -> Array:
    """The representable value after x towards y, at x's own type (also for ml_dtypes)."""
    if x.dtype.kind == "f":
        return np.nextafter(x, y)
    word = np.dtype(f"i{x.dtype.itemsize}")
    wide_x, wide_y = x.astype(np.float32), y.astype(np.float32)
    pattern = np.array(x).view(word)
    outwards = np.equal(wide_y > wide_x, pattern >= 0)
    stepped = pattern + np.where(outwards, 1, -1)
    smallest = np.where(wide_y > 0, 1, np.iinfo(word).min + 1)
    stepped = np.where(wide_x == 0, smallest, stepped).astype(word)
    result = np.where(wide_x == wide_y, y, stepped.view(x.dtype))
    return np.where(np.isnan(wide_x) | np.isnan(wide_y), np.add(x, y), result)


def reduce_precision(x: Array, exponent_bits: int, mantissa_bits: int) -> Array:
    """Round a float32 or float64 to fewer bits; denormals of the result flush to signed zero.

    Rounds to nearest even on the bit pattern; too large a magnitude becomes infinity.
    """
    info = np.finfo(x.dtype)
    word = np.dtype(f"u{x.dtype.itemsize}")
    one = word.type(1)
    pattern = np.array(x).view(word)
    sign_bit = np.bitwise_and(pattern, one << word.type(info.bits - 1))
    magnitude = np.bitwise_xor(pattern, sign_bit)
    drop = info.nmant - mantissa_bits
    if drop > 0:
        tie = np.bitwise_and(np.right_shift(magnitude, word.type(drop)), one)
        magnitude = magnitude + (tie + word.type((1 << (drop - 1)) - 1))
        magnitude = np.bitwise_and(magnitude, ~word.type((1 << drop) - 1))
    if exponent_bits < info.nexp:
        bias, limit = (1 << (info.nexp - 1)) - 1, (1 << (exponent_bits - 1)) - 1
        infinity = word.type(((1 << info.nexp) - 1) << info.nmant)
        smallest = word.type((bias - limit + 1) << info.nmant)
        overflow = word.type((bias + limit + 1) << info.nmant)
        magnitude = np.where(magnitude >= overflow, infinity, magnitude)
        magnitude = np.where(magnitude < smallest, word.type(0), magnitude)
    # a format without mantissa bits has no NaN
    nan = x if mantissa_bits else np.copysign(x.dtype.type(np.inf), x)
    return np.where(np.isnan(x), nan, np.bitwise_or(magnitude, sign_bit).view(x.dtype))


def total_order(x: Array) -> Array:
    """Integers that compare as the total order: -NaN < -inf < ... < -0 < +0 < ... < NaN."""
    word = np.dtype(f"i{x.dtype.itemsize}")
    pattern = np.array(x).view(word)
    return np.where(pattern < 0, np.bitwise_xor(pattern, word.type(np.iinfo(word).max)), pattern)
