"""Real floating-point functions with StableHLO semantics where NumPy's differ or have no name."""

from __future__ import annotations

from functools import cache

import numpy as np

from neuronc.numerics.casting import Array, bits, byte_values, is_byte_float, is_numpys, widen


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
    if is_numpys(x.dtype):
        return np.nextafter(x, y)
    wide_x, wide_y = widen(x), widen(y)
    if is_byte_float(x.dtype):
        stepped = _next_byte(x.dtype, wide_x, wide_y)
    else:
        outwards = np.equal(wide_y > wide_x, wide_x >= 0)
        word = np.dtype(f"i{x.dtype.itemsize}")
        smallest = np.where(wide_y > 0, 1, np.iinfo(word).min + 1)
        pattern = np.array(x).view(word)
        stepped = np.where(wide_x == 0, smallest, pattern + np.where(outwards, 1, -1))
        stepped = stepped.astype(word).view(x.dtype)
    result = np.where(wide_x == wide_y, wide_y, stepped.astype(np.float32))
    return np.where(np.isnan(wide_x) | np.isnan(wide_y), np.nan, result).astype(x.dtype)


def _next_byte(dtype: np.dtype[np.generic], x: Array, y: Array) -> Array:
    """The neighbour of float32 x towards y among the values of a one-byte float type."""
    values = byte_values(dtype)
    values = np.unique(values[~np.isnan(values)])
    at = np.searchsorted(values, x) + np.where(y > x, 1, -1)
    return np.copysign(values[np.clip(at, 0, len(values) - 1)], np.where(x == 0, y, x))


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
    if is_byte_float(x.dtype):
        return _byte_order(x.dtype)[np.array(x).view(np.uint8)]
    word = np.dtype(f"i{x.dtype.itemsize}")
    pattern = np.array(x).view(word)
    return np.where(pattern < 0, np.bitwise_xor(pattern, word.type(np.iinfo(word).max)), pattern)


@cache
def _byte_order(dtype: np.dtype[np.generic]) -> Array:
    """`total_order` of every byte; a NaN in the place of -0 is the least, as its sign says."""
    pattern = np.arange(256).astype(np.int16)
    values = byte_values(dtype)
    if not np.any(values < 0):
        return pattern
    sign = np.int16(1 << (bits(dtype) - 1))
    magnitude = np.bitwise_and(pattern, np.int16(sign - 1))
    negative = np.bitwise_and(pattern, sign) != 0
    below = np.where(np.isnan(values) & (magnitude == 0), np.int16(-sign - 1), -1 - magnitude)
    return np.where(negative, below, magnitude).astype(np.int16)
