"""Special functions: Bessel's by his integrals, and asymptotic series for large arguments.

    I0(x) = mean of exp(x cos t)                I1(x) = mean of x sin(t)^2 exp(x cos t)
    J0(x) = mean of cos(x sin t)                J1(x) = mean of cos(t - x sin t)     t in [0, pi]
    K(x)  = integral of exp(-x cosh t) cosh(n t), t from 0
    Y(x)  = mean of sin(x sin t - n t) less an integral of exp(-x sinh t)

(DLMF 10.9 and 10.32.) The means are trapezoid rules of periodic functions: with N points the error
is of the size of the Bessel function of order 2N, below 1e-16 up to the bounds given here.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

import torch
from torch import Tensor

from neuronc.torch.expansions.quadrature import gauss, integral, series, trapezoid
from neuronc.torch.table import expands

Function = Callable[[Tensor], Tensor]
POINTS = 64
LARGE = 64.0
"""From here on the asymptotic series of I and J are exact to the last digit."""
LARGE_K = 16.0
SMALL = 2.0
"""Up to here K and Y come from their series about 0, which have a logarithm."""
EULER = 0.57721566490153286


def _in_float(function: Function) -> Callable[..., Tensor]:
    """Computes in float32 for the halves and integers, and in the type itself for others."""

    def computed(x: Tensor) -> Tensor:
        wide = x.dtype if x.dtype in (torch.float32, torch.float64) else torch.float32
        out = x.dtype if x.is_floating_point() else torch.get_default_dtype()
        return function(x.to(wide)).to(out)

    return computed


def _register(names: tuple[str, ...], function: Function) -> None:
    expands(*names)(_in_float(function))


def _ratio(order: int, x: Tensor, sign: int) -> Callable[[int], Tensor]:
    """Of the terms of Hankel's series (DLMF 10.17, 10.40)."""
    return lambda k: sign * (4 * order**2 - (2 * k - 1) ** 2) / (k * 8 * x)


def _scaled_i(order: int, x: Tensor) -> Tensor:
    """exp(-|x|) I(x)."""
    size = x.abs()
    inside = size.clamp(max=LARGE)[..., None]

    def integrand(t: Tensor) -> Tensor:
        curve = torch.exp(-2 * inside * torch.sin(t / 2) ** 2)
        return curve if order == 0 else inside * torch.sin(t) ** 2 * curve

    near = integral(trapezoid(pi, POINTS), integrand, x.dtype) / pi
    safe = size.clamp(min=LARGE)
    terms = series(_ratio(order, safe, -1), torch.ones_like(x), 12)
    made = torch.where(size > LARGE, sum(terms) / (sqrt(2 * pi) * torch.sqrt(safe)), near)
    made = torch.where(x.isnan(), x, made)
    return made if order == 0 else made * torch.sign(x)


def _i(order: int, x: Tensor) -> Tensor:
    return _scaled_i(order, x) * torch.exp(x.abs())


def _sum(terms: list[Tensor]) -> Tensor:
    made = terms[0]
    for term in terms[1:]:
        made = made + term
    return made


def _harmonic(k: int) -> float:
    return sum(1 / i for i in range(1, k + 1))


def _logarithmic(order: int, x: Tensor, sign: int) -> Tensor:
    """What the series about 0 of K (sign 1) and Y (sign -1) have beside the logarithm."""
    square = sign * x * x / 4
    if order == 0:
        terms = series(lambda k: square / k**2, torch.ones_like(x), 12)
        return _sum([t * _harmonic(k) for k, t in enumerate(terms)])
    terms = series(lambda k: square / (k * (k + 1)), torch.ones_like(x), 12)
    weights = [_harmonic(k) + _harmonic(k + 1) - 2 * EULER for k in range(12)]
    return _sum([t * w for t, w in zip(terms, weights, strict=True)])


def _scaled_k(order: int, x: Tensor) -> Tensor:
    """exp(x) K(x) for x > 0; infinite at 0, NaN below."""
    low = x.clamp(min=1e-30, max=SMALL)
    log = torch.log(low / 2)
    if order == 0:
        near = _logarithmic(0, low, 1) - (log + EULER) * _i(0, low)
    else:
        near = 1 / low + log * _i(1, low) - low / 4 * _logarithmic(1, low, 1)
    middle = x.clamp(min=SMALL, max=LARGE_K)[..., None]

    def integrand(t: Tensor) -> Tensor:
        curve = torch.exp(-2 * middle * torch.sinh(t / 2) ** 2)
        return curve if order == 0 else curve * torch.cosh(t)

    between = integral(trapezoid(6, POINTS), integrand, x.dtype)
    high = x.clamp(min=LARGE_K)
    far = _sum(series(_ratio(order, high, 1), torch.ones_like(x), 20)) * torch.sqrt(pi / (2 * high))
    made = torch.where(x <= SMALL, near * torch.exp(low), torch.where(x <= LARGE_K, between, far))
    made = torch.where(x == 0, float("inf"), made)
    return torch.where((x < 0) | x.isnan(), float("nan"), made)


def _hankel(order: int, x: Tensor) -> tuple[Tensor, Tensor]:
    """J and Y for large x: amplitude times cosine and sine of x - (2 n + 1) pi / 4."""
    terms = series(_ratio(order, x, 1), torch.ones_like(x), 12)
    even = _sum([t * (-1) ** (k // 2) for k, t in enumerate(terms) if k % 2 == 0])
    odd = _sum([t * (-1) ** (k // 2) for k, t in enumerate(terms) if k % 2])
    c, s = torch.cos(x), torch.sin(x)
    if order == 0:
        cosine, sine = (c + s) / sqrt(2), (s - c) / sqrt(2)
    else:
        cosine, sine = (s - c) / sqrt(2), -(c + s) / sqrt(2)
    size = torch.sqrt(2 / (pi * x))
    return size * (even * cosine - odd * sine), size * (even * sine + odd * cosine)


def _j(order: int, x: Tensor) -> Tensor:
    size = x.abs()
    inside = size.clamp(max=LARGE)[..., None]
    rule = trapezoid(pi, POINTS)
    near = integral(rule, lambda t: torch.cos(order * t - inside * torch.sin(t)), x.dtype) / pi
    far, _ = _hankel(order, size.clamp(min=LARGE))
    made = torch.where(size > LARGE, far, near)
    made = torch.where(x.isnan(), x, torch.where(size == float("inf"), 0, made))
    return made if order == 0 else made * torch.sign(x)


def _y(order: int, x: Tensor) -> Tensor:
    low = x.clamp(min=1e-30, max=SMALL)
    log = torch.log(low / 2)
    if order == 0:
        near = 2 / pi * ((log + EULER) * _j(0, low) - _logarithmic(0, low, -1))
    else:
        near = 2 / pi * (log * _j(1, low) - 1 / low - low / 4 * _logarithmic(1, low, -1))
    middle = x.clamp(min=SMALL, max=LARGE)[..., None]
    wave = integral(
        gauss(0, pi, POINTS), lambda t: torch.sin(middle * torch.sin(t) - order * t), x.dtype
    )

    def integrand(t: Tensor) -> Tensor:
        weight = 2 * (torch.sinh(t) if order else torch.ones_like(t))
        return weight * torch.exp(-middle * torch.sinh(t))

    between = (wave - integral(gauss(0, 4, POINTS), integrand, x.dtype)) / pi
    _, far = _hankel(order, x.clamp(min=LARGE))
    made = torch.where(x <= SMALL, near, torch.where(x <= LARGE, between, far))
    made = torch.where(x == 0, -float("inf"), torch.where(x == float("inf"), 0, made))
    return torch.where((x < 0) | x.isnan(), float("nan"), made)


_register(("prims.bessel_i0", "special_modified_bessel_i0"), lambda x: _i(0, x))
_register(("prims.bessel_i1", "special_modified_bessel_i1"), lambda x: _i(1, x))
_register(("prims.bessel_i0e",), lambda x: _scaled_i(0, x))
_register(("prims.bessel_i1e",), lambda x: _scaled_i(1, x))
_register(("prims.bessel_j0",), lambda x: _j(0, x))
_register(("prims.bessel_j1",), lambda x: _j(1, x))
_register(("special_bessel_y0",), lambda x: _y(0, x))
_register(("special_bessel_y1",), lambda x: _y(1, x))
_register(("special_scaled_modified_bessel_k0",), lambda x: _scaled_k(0, x))
_register(("special_scaled_modified_bessel_k1",), lambda x: _scaled_k(1, x))
_register(("special_modified_bessel_k0",), lambda x: _scaled_k(0, x) * torch.exp(-x))
_register(("special_modified_bessel_k1",), lambda x: _scaled_k(1, x) * torch.exp(-x))


def _spherical(x: Tensor) -> Tensor:
    """sin(x) / x."""
    near = x.abs() < 0.5
    square = torch.where(near, x * x, 0)
    terms = series(lambda k: -square / ((2 * k) * (2 * k + 1)), torch.ones_like(x), 8)
    far = torch.sin(x) / torch.where(near, 1, x)
    return torch.where(x.abs() == float("inf"), 0, torch.where(near, _sum(terms), far))


def _erfcx(x: Tensor) -> Tensor:
    """exp(x^2) erfc(x): an integral of exp(-t^2 - 2 x t); by reflection below 0."""
    size = x.abs()
    inside = size.clamp(max=10.0)[..., None]
    rule = gauss(0, 6.5, POINTS)
    near = integral(rule, lambda t: torch.exp(-t * (t + 2 * inside)), x.dtype) * 2 / sqrt(pi)
    high = size.clamp(min=10.0)
    terms = series(lambda k: -(2 * k - 1) / (2 * high * high), torch.ones_like(x), 10)
    made = torch.where(size > 10, _sum(terms) / (high * sqrt(pi)), near)
    return torch.where(x < 0, 2 * torch.exp(x * x) - made, torch.where(x.isnan(), x, made))


def _ndtri(p: Tensor) -> Tensor:
    """Where the normal distribution reaches p.

    Tails start from Hastings' rational function (Abramowitz and Stegun 26.2.23, error 4.5e-4), and
    two of Newton's steps on the logarithm square that error twice.
    """
    tail = torch.minimum(p, 1 - p)
    low = tail.clamp(min=torch.finfo(p.dtype).tiny, max=0.25)
    t = torch.sqrt(-2 * torch.log(low))
    top = 2.515517 + t * (0.802853 + t * 0.010328)
    z = -(t - top / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))))
    for _ in range(2):
        area = torch.erfc(-z / sqrt(2)) / 2
        density = torch.exp(-z * z / 2) / sqrt(2 * pi)
        z = z - torch.log(area / low) * area / density
    outer = torch.where(p < 0.5, z, -z)
    inner = sqrt(2) * torch.erfinv((2 * p - 1).clamp(-0.6, 0.6))
    made = torch.where(tail < 0.25, outer, inner)
    made = torch.where(p == 0, -float("inf"), torch.where(p == 1, float("inf"), made))
    return torch.where((p < 0) | (p > 1) | p.isnan(), float("nan"), made)


_register(("prims.spherical_bessel_j0",), _spherical)
_register(("prims.erfcx",), _erfcx)
_register(("prims.ndtri",), _ndtri)


@expands("prims.frexp", "frexp.Tensor")
def frexp(x: Tensor) -> tuple[Tensor, Tensor]:
    """M of 1/2 <= |m| < 1, and n, with x = m 2^n; by the bits of the exponent."""
    wide = x if x.dtype is torch.float64 else x.float()
    if wide.dtype is torch.float64:
        bits, fraction, mask, bias = torch.int64, 52, 0x7FF, 1022
    else:
        bits, fraction, mask, bias = torch.int32, 23, 0xFF, 126
    small = wide.abs() < torch.finfo(wide.dtype).tiny
    scaled = torch.where(small, wide * 2.0 ** (fraction + 1), wide)
    whole: Any = scaled.view(bits)
    exponent = ((whole >> fraction) & mask) - bias - torch.where(small, fraction + 1, 0)
    kept = (whole & ~(mask << fraction)) | (bias << fraction)
    plain = wide.isfinite() & (wide != 0)
    mantissa = torch.where(plain, kept.view(wide.dtype), wide).to(x.dtype)
    return mantissa, torch.where(plain, exponent, 0).to(torch.int32)
