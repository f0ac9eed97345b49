"""Special functions in float64: error functions, gamma family, zeta, Bessel I1e.

Each is a polynomial fit (coefficients.py) on a central interval and a recurrence, an asymptotic
series or Newton's method elsewhere. All are vectorised and total; NaN in, NaN out.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from neuronc.numerics import coefficients

F64 = NDArray[np.float64]
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
_DIGAMMA_ROOT, _DIGAMMA_ROOT_TAIL = 1.4616321449683622, 9.549995429965697e-17


def _polynomial(t: F64, coefficients_: tuple[float, ...]) -> F64:
    """Horner's rule, lowest order first."""
    result = np.full_like(t, coefficients_[-1])
    for coefficient in coefficients_[-2::-1]:
        result *= t
        result += coefficient
    return result


def _erf_small(x: F64) -> F64:
    """`erf` on [-1, 1]."""
    return x * _polynomial(2 * (x * x) - 1, coefficients.ERF)


def _erfc_large(x: F64) -> F64:
    """`erfc` on [1, inf): exp(-x * x) in two factors so that x * x is not rounded."""
    x = np.minimum(x, 28.0)
    low, high = 1 / 29, 1 / 2
    t = (2 / (1 + x) - (low + high)) / (high - low)
    head = np.round(x * 16) / 16
    tail = np.exp(-head * head) * np.exp((head - x) * (head + x))
    return tail * _polynomial(t, coefficients.ERFCX) / (1 + x)


def erf(x: F64) -> F64:
    """2 / sqrt(pi) times the integral of exp(-t * t) from 0 to x."""
    magnitude = np.abs(x)
    large = np.copysign(1 - _erfc_large(np.maximum(magnitude, 1)), x)
    return np.where(magnitude <= 1, _erf_small(np.clip(x, -1, 1)), large)


def erfc(x: F64) -> F64:
    """1 - erf(x), accurate in the far tail."""
    tail = _erfc_large(np.maximum(np.abs(x), 1))
    large = np.where(x < 0, 2 - tail, tail)
    return np.where(np.abs(x) <= 1, 1 - _erf_small(np.clip(x, -1, 1)), large)


def erf_inv(x: F64) -> F64:
    """The y with erf(y) = x: Winitzki's guess, then three Halley steps on erf or erfc."""
    magnitude = np.minimum(np.abs(x), np.nextafter(1.0, 0.0))
    log = np.log1p(-magnitude * magnitude)
    half = 2 / (math.pi * 0.147) + log / 2
    y = np.sqrt(np.sqrt(half * half - log / 0.147) - half)
    complement = 1 - magnitude
    for _ in range(3):
        error = np.where(magnitude < 0.5, erf(y) - magnitude, complement - erfc(y))
        step = error * np.exp(y * y) * (math.sqrt(math.pi) / 2)
        y = y - step / (1 + y * step)
    y = np.copysign(np.where(magnitude < 1e-8, magnitude * (math.sqrt(math.pi) / 2), y), x)
    y = np.where(np.abs(x) == 1, np.copysign(np.inf, x), y)
    return np.where(np.abs(x) <= 1, y, np.nan)


def lgamma(x: F64) -> F64:
    """`log` |gamma(x)|; infinite at 0, -1, -2, ..."""
    negative = x < 0.5
    positive = _lgamma_positive(np.where(negative, 1 - x, x))
    fraction = np.abs(x - np.round(x))
    sine = np.sin(math.pi * fraction)
    reflected = math.log(math.pi) - np.log(sine) - positive
    near_zero = _lgamma_positive(np.abs(np.where(negative, 1 + x, 1))) - np.log(np.abs(x))
    reflected = np.where(np.abs(x) < 0.5, near_zero, reflected)
    pole = (x <= 0) & (x == np.floor(x))
    result = np.where(negative, reflected, positive)
    return np.where(pole | np.isinf(x), np.inf, result)


def _lgamma_positive(x: F64) -> F64:
    """`lgamma` on [0.5, inf)."""
    shift = np.ones_like(x)
    middle = np.minimum(x, 9.0)
    for _ in range(6):
        step = middle > 3
        middle = np.where(step, middle - 1, middle)
        shift = np.where(step, shift * middle, shift)
    low = _polynomial(2 * (np.minimum(middle, 1.5) - 1), coefficients.LGAMMA_LOW)
    high = _polynomial(np.maximum(middle, 1.0) - 2, coefficients.LGAMMA)
    fit = (middle - 1) * (middle - 2) * np.where(middle < 1.5, low, high)
    central = np.where(shift == 1, fit, fit + np.log(shift))
    big = np.maximum(x, 8.0)
    far = (big - 0.5) * (np.log(big) - 1) + (0.5 * math.log(2 * math.pi) - 0.5) + _stirling(big)
    return np.where(x < 8, central, far)


def _stirling(x: F64) -> F64:
    """The sum of B(2k) / (2k (2k - 1) x^(2k - 1))."""
    square, total = 1 / (x * x), np.zeros_like(x)
    for k in range(len(_BERNOULLI), 0, -1):
        total = total * square + _BERNOULLI[k - 1] / (2 * k * (2 * k - 1))
    return total / x


def digamma(x: F64) -> F64:
    """The derivative of lgamma; NaN at 0, -1, -2, ..."""
    negative = x < 0.5
    positive = _digamma_positive(np.where(negative, 1 - x, x))
    fraction = x - np.round(x)
    reflected = positive - math.pi / np.tan(math.pi * fraction)
    small = _digamma_positive(np.where(np.abs(x) < 0.5, 1 + x, 1)) - 1 / x
    result = np.where(negative, np.where(np.abs(x) < 0.5, small, reflected), positive)
    pole = (x <= 0) & (x == np.floor(x))
    return np.where(pole | (x == -np.inf), np.nan, result)


def _digamma_positive(x: F64) -> F64:
    """`digamma` on [0.5, inf)."""
    low = np.where(x < 1, x + 1, x)
    total = np.where(x < 1, -1 / x, 0.0)
    middle = np.minimum(low, 10.0)
    for _ in range(8):
        step = middle > 2
        middle = np.where(step, middle - 1, middle)
        total = np.where(step, total + 1 / middle, total)
    offset = (middle - _DIGAMMA_ROOT) - _DIGAMMA_ROOT_TAIL
    central = offset * _polynomial(2 * middle - 3, coefficients.DIGAMMA) + total
    big = np.maximum(x, 10.0)
    square, series = 1 / (big * big), np.zeros_like(big)
    for k in range(len(_BERNOULLI), 0, -1):
        series = (series + _BERNOULLI[k - 1] / (2 * k)) * square
    return np.where(x < 10, central, np.log(big) - 0.5 / big - series)


def zeta(s: F64, q: F64) -> F64:
    """Hurwitz: the sum of (k + q)^-s over k >= 0, by Euler and Maclaurin; s > 1, q > 0."""
    s, q = np.broadcast_arrays(s, q)
    terms = 10
    total = np.zeros(s.shape)
    for k in range(terms):
        total = total + np.power(q + k, -s)
    a = q + terms
    total = total + np.power(a, 1 - s) / (s - 1) + 0.5 * np.power(a, -s)
    factor, power = s.copy(), np.power(a, -s - 1)
    factorial = 2.0
    for k, bernoulli in enumerate(_BERNOULLI, 1):
        total = total + bernoulli / factorial * factor * power
        factor = factor * (s + 2 * k - 1) * (s + 2 * k)
        power, factorial = power / (a * a), factorial * (2 * k + 1) * (2 * k + 2)
    pole = (q <= 0) & (q == np.floor(q))
    total = np.where(pole, np.where(s % 2 == 0, np.inf, np.nan), total)
    total = np.where((q <= 0) & (s != np.floor(s)), np.nan, total)
    return np.where(s < 1, np.nan, np.where(s == 1, np.inf, total))


def polygamma(n: F64, x: F64) -> F64:
    """The n-th derivative of digamma: (-1)^(n + 1) n! zeta(n + 1, x)."""
    n, x = np.broadcast_arrays(n, x)
    value = np.where(n % 2 == 0, -1.0, 1.0) * _factorial(n) * zeta(n + 1, x)
    value = np.where(n == 0, digamma(x), value)
    return np.where((n < 0) | (n != np.floor(n)), np.nan, value)


def _factorial(n: F64) -> F64:
    """`n!` for whole n; infinite beyond 170!."""
    table = np.array([*np.cumprod(np.maximum(np.arange(171.0), 1)), np.inf])
    return table[np.clip(np.nan_to_num(n), 0, 171).astype(np.int64)]


def bessel_i1e(x: F64) -> F64:
    """exp(-|x|) I1(x), the scaled modified Bessel function of order 1."""
    magnitude = np.abs(x)
    near = np.minimum(magnitude, 4.0)
    small = near * _polynomial(near * near / 8 - 1, coefficients.I1E_SMALL) * np.exp(-near)
    far = np.maximum(magnitude, 4.0)
    large = _i1e_large(far)
    return np.copysign(np.where(magnitude <= 4, small, large), x)


def _i1e_large(x: F64) -> F64:
    """bessel_i1e on [4, inf)."""
    return _polynomial(8 / x - 1, coefficients.I1E_LARGE) / np.sqrt(x)
