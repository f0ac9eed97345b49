"""Integer functions: two's complement, wrapping, total (no operand traps).

Division truncates towards zero; x / 0 is all ones and x rem 0 is x; MIN / -1 is MIN; shifts by
the width or more give 0, or the sign. Functions that take `width` are told it because i4 and i2
are held in a byte.
"""

from __future__ import annotations

import numpy as np

from neuronc.numerics.casting import Array


def divide(x: Array, y: Array) -> Array:
    """Quotient truncated towards zero; all ones where y is 0."""
    quotient: Array = np.floor_divide(x, y)
    inexact = np.multiply(quotient, y) != x
    quotient = quotient + (inexact & ((x < 0) != (y < 0))).astype(x.dtype)
    return np.where(y == 0, np.invert(np.zeros_like(quotient)), quotient)


def remainder(x: Array, y: Array) -> Array:
    """`x - y trunc(x / y)`, with the sign of x; x where y is 0."""
    return np.where(y == 0, x, np.fmod(x, y))


def power(x: Array, y: Array) -> Array:
    """`x ** y` by squaring; for y < 0 that is 1 for x = 1, +-1 for x = -1, else 0."""
    result = np.ones(np.broadcast_shapes(x.shape, y.shape), x.dtype)
    base, exponent = x, np.maximum(y, 0)
    while np.any(exponent):
        result = np.where(exponent & 1, result * base, result)
        base, exponent = base * base, exponent >> 1
    unit = np.where((y & 1) == 0, 1, x)
    return np.where(y < 0, np.where(np.abs(x) == 1, unit, 0), result).astype(x.dtype)


def power_unsigned(x: Array, y: Array) -> Array:
    """`x ** y` by squaring, wrapping."""
    result = np.ones(np.broadcast_shapes(x.shape, y.shape), x.dtype)
    base, exponent = x, y
    while np.any(exponent):
        result = np.where(exponent & 1, result * base, result)
        base, exponent = base * base, exponent >> 1
    return result


def _unsigned(x: Array) -> Array:
    """The same bits as an unsigned integer."""
    return x.view(f"u{x.dtype.itemsize}")


def _amount(width: int, y: Array) -> tuple[Array, Array]:
    """Shift amounts that C allows, and whether each was already below `width`."""
    amount = _unsigned(y)
    return np.minimum(amount, amount.dtype.type(width - 1)), amount < width


def shift_left(width: int, x: Array, y: Array) -> Array:
    """`x << y`, 0 where y is not in [0, width)."""
    amount, inside = _amount(width, y)
    return np.where(inside, np.left_shift(_unsigned(x), amount), 0).astype(x.dtype)


def shift_right_logical(width: int, x: Array, y: Array) -> Array:
    """`x >> y` filling with zeros, 0 where y is not in [0, width)."""
    amount, inside = _amount(width, y)
    word = _low(width, x)
    return np.where(inside, np.right_shift(word, amount), 0).astype(x.dtype)


def shift_right_arithmetic(width: int, x: Array, y: Array) -> Array:
    """`x >> y` filling with the sign bit, all sign where y is not in [0, width)."""
    amount, _ = _amount(width, y)
    word = np.dtype(f"i{x.dtype.itemsize}")
    above = word.type(8 * word.itemsize - width)
    signed = np.right_shift(np.left_shift(x.view(word), above), above)
    return np.right_shift(signed, amount.astype(word)).astype(x.dtype)


def _low(width: int, x: Array) -> Array:
    """The low `width` bits as an unsigned integer."""
    word = _unsigned(np.array(x))
    return np.bitwise_and(word, word.dtype.type((1 << width) - 1))


def population_count(width: int, x: Array) -> Array:
    """How many of the `width` bits are set."""
    return np.bitwise_count(_low(width, x)).astype(x.dtype)


def count_leading_zeros(width: int, x: Array) -> Array:
    """How many bits above the highest set bit."""
    word = _low(width, x)
    for step in (1, 2, 4, 8, 16, 32):
        if step < width:
            word = np.bitwise_or(word, np.right_shift(word, word.dtype.type(step)))
    return (width - np.bitwise_count(word).astype(np.int64)).astype(x.dtype)


def multiply_high(width: int, x: Array, y: Array) -> Array:
    """The upper half of the double-width product."""
    if width < 64:
        wide = np.int64 if x.dtype.kind == "i" else np.uint64
        product = np.multiply(x.astype(wide), y.astype(wide))
        return np.right_shift(product, wide(width)).astype(x.dtype)
    half, low = np.uint64(32), np.uint64(0xFFFFFFFF)
    a, b = x.view(np.uint64), y.view(np.uint64)
    a1, a0, b1, b0 = a >> half, a & low, b >> half, b & low
    middle = a1 * b0 + ((a0 * b0) >> half)
    high = a1 * b1 + (middle >> half) + (((middle & low) + a0 * b1) >> half)
    if x.dtype.kind == "i":
        # signed = unsigned - (x < 0 ? y : 0) - (y < 0 ? x : 0), modulo 2^64
        high = high - np.where(x < 0, b, np.uint64(0)) - np.where(y < 0, a, np.uint64(0))
    return high.view(x.dtype)
