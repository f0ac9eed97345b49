"""Hot functions on float32 (and float64) arrays, in place, at a few units in the last place.

into(*arrays, out=out): `out` may be one of the arrays; scratch is at most two blocks like `out`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from neuronc.numerics.casting import Array, Kernel

InPlace: TypeAlias = Callable[..., object]


def through(evaluate: Kernel) -> InPlace:
    """Return the in-place form of a function that has no better one."""

    def into(*arrays: Array, out: Array) -> None:
        np.copyto(out, evaluate(*(np.asarray(x) for x in arrays)), casting="unsafe")

    return into


def logistic(x: Array, out: Array) -> None:
    """1 / (1 + exp(-x))."""
    np.negative(x, out)
    np.exp(out, out)
    np.add(out, 1, out)
    np.reciprocal(out, out)


def rsqrt(x: Array, out: Array) -> None:
    """1 / sqrt(x)."""
    np.sqrt(x, out)
    np.reciprocal(out, out)


def clamp(low: Array, x: Array, high: Array, out: Array) -> None:
    """min(max(low, x), high)."""
    np.clip(x, low, high, out=out)


def select(predicate: Array, on_true: Array, on_false: Array, out: Array) -> None:
    """on_true where predicate, else on_false; by bits, five times as fast as np.where."""
    word = f"i{out.dtype.itemsize}"
    above = np.asarray(on_true, out.dtype).view(word)
    below = np.asarray(on_false, out.dtype).view(word)
    difference = np.multiply(np.bitwise_xor(above, below), predicate)
    np.bitwise_xor(below, difference, out=out.view(word))


# erf(x) / x as a ratio of polynomials in x * x on [0, 3.92^2], relative error 2e-8.
_ERF_ABOVE = (
    2.046547379129535e-06,
    0.0002848416036434116,
    0.003771470999101327,
    0.05276608355152375,
    0.1905656871129038,
    1.12837914587935,
)
_ERF_BELOW = (
    3.8053031770450965e-05,
    0.0011636367008881427,
    0.014981033659716305,
    0.11417156899454402,
    0.5022171764286087,
    1.0,
)


def erf(x: Array, out: Array) -> None:
    """The error function as x P(x * x) / Q(x * x) with x clamped to where float32 reaches 1."""
    x = np.clip(x, -3.92, 3.92)
    square = np.multiply(x, x)
    below = _horner(square, _ERF_BELOW, np.empty_like(square))
    _horner(square, _ERF_ABOVE, out)
    np.multiply(out, x, out)
    np.divide(out, below, out)
    np.clip(out, -1, 1, out=out)


# erfc(a) exp(a * a) (1 + 2 a) as a polynomial in (a - 4) / (a + 4) on a in [0, 10.1], relative
# error 2e-8 (a Chebyshev fit to mpmath's erfc).
_ERFC = (
    0.0008564457798,
    0.006949390097,
    -0.015944368,
    0.03643504768,
    -0.06661387865,
    0.09382031189,
    -0.1009939619,
    0.0680932213,
    0.01537752389,
    -0.1396210588,
    1.232995134,
)


def erfc(x: Array, out: Array) -> None:
    """exp(-a * a) P((a - 4) / (a + 4)) / (1 + 2 a) for a = |x|, reflected for negative x.

    In float64: its polynomial cancels near 0 and its exponential amplifies, and it is rare.
    """
    a = np.minimum(np.abs(x), 10.1, dtype=np.float64)
    tail = _horner(np.divide(a - 4, a + 4), _ERFC, np.empty_like(a))
    np.divide(tail, 1 + 2 * a, tail)
    np.multiply(a, a, a)
    np.negative(a, a)
    np.multiply(tail, np.exp(a, a), tail)
    np.subtract(2, tail, out=tail, where=np.less(x, 0))
    np.copyto(out, tail, casting="same_kind")


def _horner(t: Array, coefficients: tuple[float, ...], out: Array) -> Array:
    """Evaluate a polynomial, highest order first, into `out`."""
    np.multiply(t, coefficients[0], out)
    np.add(out, coefficients[1], out)
    for coefficient in coefficients[2:]:
        np.multiply(out, t, out)
        np.add(out, coefficient, out)
    return out


# erf_inv(x) / x in w = -log(1 - x * x), highest order first: in w - 2.5 on [0, 5], relative error
# 7e-9, and in sqrt(w) - 3.1795868 on [5, 17], 2e-8.
_ERF_INV = (
    -8.93192597e-09,
    2.33359672e-08,
    4.681313481e-07,
    -3.463985268e-06,
    -4.972419689e-06,
    0.0002183493862,
    -0.001252726392,
    -0.004177392875,
    0.2466402791,
    1.50140936,
)
_ERF_INV_TAIL = (
    0.0001074866143,
    -0.0001273813863,
    -0.0003528403472,
    0.001197897558,
    -0.002129188821,
    0.003140306128,
    -0.00454346617,
    0.006245953633,
    1.004443106,
    3.013130074,
)


def erf_inv(x: Array, out: Array) -> None:
    """The inverse error function as x times a polynomial in log((1 - x) (1 + x))."""
    x = np.array(x)
    w = -np.log((1 - x) * (1 + x))
    _horner(w - np.float32(2.5), _ERF_INV, out)
    tail = w > 5
    if tail.any():
        root = np.sqrt(w[tail]) - np.float32(3.1795868)
        out[tail] = _horner(root, _ERF_INV_TAIL, np.empty_like(root))
    np.multiply(out, x, out)
    np.copyto(out, np.copysign(np.float32(np.inf), x), where=np.abs(x) == 1)
