"""Quantisation as training simulates it: to the grid and back, and where the grid ends."""

from __future__ import annotations

import torch
from torch import Tensor

from neuronc.torch.table import expands


def _on_grid(
    x: Tensor, scale: Tensor, zero: Tensor | int, low: int, high: int
) -> tuple[Tensor, Tensor]:
    """(clamp(round(x / scale) + zero) - zero) scale, and where nothing was clamped.

    A zero that is no integer is added before rounding, as torch does.
    """
    whole = isinstance(zero, int) or not zero.is_floating_point()
    at = x * (1 / scale)
    at = torch.round(at) + zero if whole else torch.round(at + zero)
    inside = (at >= low) & (at <= high)
    return ((at.clamp(low, high) - zero) * scale).to(x.dtype), inside


@expands("fake_quantize_per_tensor_affine_cachemask")
def per_tensor(x: Tensor, scale: float, zero: int, low: int, high: int) -> tuple[Tensor, Tensor]:
    """One scale for all."""
    return _on_grid(x, torch.full((), scale), zero, low, high)


@expands("_fake_quantize_per_tensor_affine_cachemask_tensor_qparams")
def per_tensor_given(
    x: Tensor, scale: Tensor, zero: Tensor, enabled: Tensor, low: int, high: int
) -> tuple[Tensor, Tensor]:
    """The same by tensors; x itself unless it is enabled."""
    made, inside = _on_grid(x, scale, zero, low, high)
    on = enabled.reshape(()) != 0
    return torch.where(on, made, x), inside | ~on


@expands("fake_quantize_per_channel_affine_cachemask")
def per_channel(
    x: Tensor, scale: Tensor, zero: Tensor, axis: int, low: int, high: int
) -> tuple[Tensor, Tensor]:
    """A scale for each slice of one dimension."""
    shape = [-1 if d == axis % x.dim() else 1 for d in range(x.dim())]
    return _on_grid(x, scale.reshape(shape), zero.reshape(shape), low, high)
