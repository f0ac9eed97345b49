"""The derivatives of digamma, and Airy's function.

    Ai(x) = c1 f(x) - c2 g(x), by their power series              -9 <= x <= 1     (DLMF 9.4.1)
    Ai(x) = sqrt(x / 3) / pi K(2 x^1.5 / 3) of order 1/3          x > 1            (DLMF 9.6.2)
    Ai(x) = |x|^-0.25 / sqrt(pi) times a wave                     x < -9           (DLMF 9.7.9)

Airy's is computed in float64, since the power series cancels by 8 digits at -9.
"""

from __future__ import annotations

from math import factorial, pi, sqrt
from typing import Any

import torch
from torch import Tensor

from neuronc.torch.expansions.quadrature import integral, series, trapezoid
from neuronc.torch.table import expands

special: Any = torch.special
FAR = 9.0
AT_ZERO = 0.35502805388781723926
"""Ai(0)."""
SLOPE_AT_ZERO = 0.25881940379280679840
"""-Ai'(0)."""
VANISHES = 103.892
"""From here on torch's own is 0."""


@expands("polygamma")
def polygamma(n: int, x: Tensor) -> Tensor:
    """The n-th derivative of digamma."""
    out = x.dtype if x.is_floating_point() else torch.get_default_dtype()
    wide = x.to(torch.float64 if x.dtype is torch.float64 else torch.float32)
    if n == 0:
        return torch.digamma(wide).to(out)
    order = torch.full((), n + 1.0, dtype=wide.dtype)
    size = float(factorial(n)) if n <= 170 else float("inf")
    return (special.zeta(order, wide) * (size if n % 2 else -size)).to(out)


@expands("special_airy_ai")
def airy_ai(x: Tensor) -> Tensor:
    """Ai(x); NaN where x is infinite, as torch has it."""
    out = x.dtype if x.is_floating_point() else torch.get_default_dtype()
    y = x.to(torch.float64)
    made = torch.where(y > 1, _decaying(y.clamp(min=1)), _powers(y.clamp(-FAR, 1)))
    made = torch.where(y < -FAR, _wave(y.clamp(max=-FAR).abs()), made)
    made = torch.where(y > VANISHES, 0.0, made)
    return torch.where(y.isinf() | y.isnan(), float("nan"), made).to(out)


def _powers(x: Tensor) -> Tensor:
    cube = x * x * x
    even = series(lambda k: cube / ((3 * k - 1) * 3 * k), torch.ones_like(x), 40)
    odd = series(lambda k: cube / (3 * k * (3 * k + 1)), x, 40)
    made = torch.zeros_like(x)
    for p, q in zip(reversed(even), reversed(odd), strict=True):
        made = made + (AT_ZERO * p - SLOPE_AT_ZERO * q)
    return made


def _decaying(x: Tensor) -> Tensor:
    z = 2 / 3 * x * torch.sqrt(x)
    inside = z[..., None]

    def integrand(t: Tensor) -> Tensor:
        return torch.exp(-2 * inside * torch.sinh(t / 2) ** 2) * torch.cosh(t / 3)

    bessel = integral(trapezoid(6, 96), integrand, x.dtype)
    return torch.sqrt(x / 3) / pi * bessel * torch.exp(-z)


def _wave(x: Tensor) -> Tensor:
    z = 2 / 3 * x * torch.sqrt(x)
    terms = series(
        lambda k: (6 * k - 5) * (6 * k - 3) * (6 * k - 1) / ((2 * k - 1) * 216 * k) / z,
        torch.ones_like(x), 16,
    )  # fmt: skip
    even = sum([t * (-1) ** k for k, t in enumerate(terms[::2])], torch.zeros_like(x))
    odd = sum([t * (-1) ** k for k, t in enumerate(terms[1::2])], torch.zeros_like(x))
    angle = z - pi / 4
    wave = torch.cos(angle) * even + torch.sin(angle) * odd
    return wave / (sqrt(pi) * torch.sqrt(torch.sqrt(x)))
