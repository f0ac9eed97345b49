"""Windows for Fourier transforms, as torch.signal has them."""

from __future__ import annotations

from math import pi
from typing import Any

import torch
from torch import Tensor

from neuronc.torch.table import expands

aten: Any = torch.ops.aten


def _phase(length: int, periodic: bool, dtype: torch.dtype | None) -> tuple[Tensor, torch.dtype]:
    """From 0 to 1 along the window, in float64; a periodic one is cut from a longer one."""
    wanted = dtype or torch.get_default_dtype()
    steps = max(length if periodic else length - 1, 1)
    return torch.arange(length, dtype=torch.float64) / steps, wanted


def _cosines(length: int, periodic: bool, dtype: torch.dtype | None, *terms: float) -> Tensor:
    """a0 - a1 cos(2 pi t) + a2 cos(4 pi t) - ..; one alone is 1."""
    t, wanted = _phase(length, periodic, dtype)
    if length == 1:
        return torch.ones(1, dtype=wanted)
    made = torch.zeros_like(t)
    for k, term in enumerate(terms):
        made = made + (-1) ** k * term * torch.cos(2 * pi * k * t)
    return made.to(wanted)


@expands(
    "hamming_window", "hamming_window.periodic", "hamming_window.periodic_alpha",
    "hamming_window.periodic_alpha_beta",
)  # fmt: skip
def hamming(
    length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *,
    dtype: Any = None, **_: Any,
) -> Tensor:  # fmt: skip
    """A raised cosine that does not reach 0."""
    return _cosines(length, periodic, dtype, alpha, beta)


@expands("blackman_window", "blackman_window.periodic")
def blackman(length: int, periodic: bool = True, *, dtype: Any = None, **_: Any) -> Tensor:
    """Two cosines."""
    return _cosines(length, periodic, dtype, 0.42, 0.5, 0.08)


@expands("bartlett_window", "bartlett_window.periodic")
def bartlett(length: int, periodic: bool = True, *, dtype: Any = None, **_: Any) -> Tensor:
    """A triangle."""
    t, wanted = _phase(length, periodic, dtype)
    if length == 1:
        return torch.ones(1, dtype=wanted)
    return (1 - (2 * t - 1).abs()).to(wanted)


@expands("kaiser_window", "kaiser_window.periodic", "kaiser_window.beta")
def kaiser(
    length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None, **_: Any
) -> Tensor:
    """Bessel's I0 of an arc, over its top."""
    t, wanted = _phase(length, periodic, dtype)
    if length == 1:
        return torch.ones(1, dtype=wanted)
    arc = torch.sqrt((1 - (2 * t - 1) ** 2).clamp(min=0))
    top = torch.full((), beta, dtype=torch.float64)
    return (aten.i0(beta * arc) / aten.i0(top)).to(wanted)
