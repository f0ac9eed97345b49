"""Activations: functions of the scalar engine (hardware.md 2.2) that StableHLO writes as several.

For each the law in float64, and `into_` in float32, in place. Each is x times a distribution, or a
sum of terms of one sign, so that nothing cancels where the result is small.
"""

from __future__ import annotations

import math

import numpy as np

from neuronc.numerics import special
from neuronc.numerics.casting import Array

CUBIC = 0.044715
"""Of the cube in GELU's tanh form."""
TANH_SCALE = math.sqrt(2 / math.pi)
SIGMOID_SCALE = 1.702
"""Of x in GELU's sigmoid form."""


def gelu(x: Array) -> Array:
    """X times the normal distribution up to x: 0.5 x erfc(-x / sqrt(2))."""
    return 0.5 * x * special.erfc(np.asarray(-x * math.sqrt(0.5), np.float64))


def gelu_tanh(x: Array) -> Array:
    """0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))."""
    return _by_logistic(x, 2 * TANH_SCALE * (x + CUBIC * x * x * x))


def gelu_sigmoid(x: Array) -> Array:
    """X / (1 + exp(-1.702 x))."""
    return _by_logistic(x, SIGMOID_SCALE * x)


def silu(x: Array) -> Array:
    """X / (1 + exp(-x))."""
    return _by_logistic(x, x)


def softplus(x: Array) -> Array:
    """log(1 + exp(x))."""
    return np.logaddexp(x, 0.0)


def mish(x: Array) -> Array:
    """X tanh(log(1 + exp(x)))."""
    return x * np.tanh(softplus(x))


def _by_logistic(x: Array, y: Array) -> Array:
    return x / (1 + np.exp(-y))


# exp(a * a / 2) (1 - normal distribution up to a) as a ratio of polynomials in a, all of one sign,
# on [0, 14.5], where float32 has vanished; relative error 6e-9.
_TAIL_ABOVE = (
    0.004116428475059974,
    0.0406343248026516,
    0.18323882164264058,
    0.4383005676947383,
    0.5000000029346096,
)
_TAIL_BELOW = (
    0.010318236349217191,
    0.10186159103435796,
    0.469480219998994,
    1.2025194822654457,
    1.674486115056818,
    1.0,
)


def into_gelu(x: Array, out: Array) -> None:
    """max(x, 0) - |x| Q(|x|) for Q the upper tail of the normal distribution."""
    limit = np.float32(15)
    a = np.abs(x)
    np.minimum(a, limit, out=a)
    tail = np.multiply(a, np.float32(_TAIL_ABOVE[0]))
    _horner(a, _TAIL_ABOVE[1:], tail)
    other = np.multiply(a, np.float32(_TAIL_BELOW[0]))
    _horner(a, _TAIL_BELOW[1:], other)
    np.divide(tail, other, tail)
    np.multiply(a, a, a)
    np.multiply(a, np.float32(-0.5), a)
    np.multiply(tail, np.exp(a, a), tail)
    # Of x itself where it is large and negative: NaN at -inf, as 0.5 x (1 + erf(x)) is.
    np.multiply(tail, np.minimum(x, limit, out=other), tail)
    np.abs(tail, tail)
    np.maximum(x, np.float32(0), out=out)
    np.subtract(out, tail, out=out)


def into_gelu_tanh(x: Array, out: Array) -> None:
    """X / (1 + exp(-2 sqrt(2 / pi) (x + 0.044715 x^3)))."""
    y = np.multiply(x, x)
    np.multiply(y, np.float32(-2 * TANH_SCALE * CUBIC), y)
    np.add(y, np.float32(-2 * TANH_SCALE), y)
    np.multiply(y, x, y)
    _over_exponential(x, y, out)


def into_gelu_sigmoid(x: Array, out: Array) -> None:
    """X / (1 + exp(-1.702 x))."""
    _over_exponential(x, np.multiply(x, np.float32(-SIGMOID_SCALE)), out)


def into_silu(x: Array, out: Array) -> None:
    """X / (1 + exp(-x))."""
    _over_exponential(x, np.negative(x), out)


def into_softplus(x: Array, out: Array) -> None:
    """max(x, 0) + log1p(exp(-|x|))."""
    y = np.abs(x)
    np.negative(y, y)
    np.exp(y, y)
    np.log1p(y, y)
    np.maximum(x, np.float32(0), out=out)
    np.add(out, y, out)


def into_mish(x: Array, out: Array) -> None:
    """X n / (n + 2) for n = exp(x) (exp(x) + 2); beyond 20 the ratio is 1."""
    e = np.exp(np.minimum(x, np.float32(20)))
    n = np.add(e, np.float32(2))
    np.multiply(n, e, n)
    np.add(n, np.float32(2), e)
    np.divide(n, e, n)
    np.multiply(n, x, out)


def _over_exponential(x: Array, y: Array, out: Array) -> None:
    """X / (1 + exp(y)), in the place of y."""
    np.exp(y, y)
    np.add(y, np.float32(1), y)
    np.divide(x, y, out)


def _horner(t: Array, coefficients: tuple[float, ...], out: Array) -> None:
    """Go on with a polynomial, highest order first, of which `out` is the first product."""
    for coefficient in coefficients[:-1]:
        np.add(out, np.float32(coefficient), out)
        np.multiply(out, t, out)
    np.add(out, np.float32(coefficients[-1]), out)
