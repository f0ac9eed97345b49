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


# (1 - normal distribution up to a)^(-1/8) as a polynomial in a, highest order first, a fit on
# [0, 6]; the relative error of its eighth power is 1.2e-7 (1 + 0.3 a^2). It grows beyond, where
# float32 sees nothing of the tail beside x.
_TAIL_ROOT = tuple(
    np.asarray(coefficient, np.float32)
    for coefficient in (
        3.532355885e-09,
        -8.526359952e-08,
        9.873094349e-07,
        -6.560396125e-06,
        2.925985402e-05,
        -8.011479008e-05,
        0.0001892650383,
        7.293843542e-05,
        0.001056421793,
        0.009402859579,
        0.04882678891,
        0.1087612617,
        1.090507749,
    )
)
_INFINITE = np.asarray(np.inf, np.float32)
_TAIL_MAX = np.asarray(15, np.float32)
"""Float32 holds nothing of the normal distribution's tail from here on."""
_ZERO = np.asarray(0, np.float32)


def into_gelu(x: Array, out: Array) -> None:
    """max(x, 0) - a / p(a)^8 for a = |x|, where p(a)^-8 is the normal distribution's upper tail.

    No exponential: without AVX-512 it costs as much as twenty of these steps.
    """
    # NaN at -inf, as 0.5 x (1 + erf(x)) is; infinite at +inf, whose tail is not inf * 0.
    a = np.clip(x, -_INFINITE, _TAIL_MAX)
    np.abs(a, a)
    tail = np.multiply(a, _TAIL_ROOT[0])
    _horner(a, _TAIL_ROOT[1:], tail)
    for _ in range(3):
        np.square(tail, tail)
    np.divide(a, tail, tail)
    # Not np.maximum, which takes a number an element at a time: five times as long. `out` may be
    # rows that are far apart and is written once.
    np.clip(x, _ZERO, _INFINITE, out=a)
    np.subtract(a, tail, out=out)


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
    np.clip(x, _ZERO, _INFINITE, out=out)
    np.add(out, y, out)


def into_mish(x: Array, out: Array) -> None:
    """X n / (n + 2) for n = exp(x) (exp(x) + 2); beyond 20 the ratio is 1."""
    e = np.clip(x, -_INFINITE, np.float32(20))
    np.exp(e, e)
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


def _horner(t: Array, coefficients: tuple[Array, ...], out: Array) -> None:
    """Go on with a polynomial, highest order first, of which `out` is the first product."""
    for coefficient in coefficients[:-1]:
        np.add(out, coefficient, out)
        np.multiply(out, t, out)
    np.add(out, coefficients[-1], out)
