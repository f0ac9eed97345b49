"""Images looked up between their elements, and pooling at places that are given."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import torch
from torch import Tensor

from neuronc.torch.table import expands

aten: Any = torch.ops.aten
BILINEAR, NEAREST = 0, 1
ZEROS, BORDER, REFLECTION = 0, 1, 2


def _unnormalised(at: Tensor, extent: int, align: bool) -> Tensor:
    """From [-1, 1] to indices."""
    return (at + 1) / 2 * (extent - 1) if align else ((at + 1) * extent - 1) / 2


def _reflected(at: Tensor, low: float, high: float) -> Tensor:
    """Folded back and forth between two bounds."""
    if low == high:
        return torch.zeros_like(at)
    span = high - low
    apart = (at - low).abs()
    flips = torch.floor(apart / span)
    rest = apart - flips * span
    return torch.where(flips % 2 == 0, rest + low, span - rest + low)


def _inside(at: Tensor, extent: int, padding: int, align: bool) -> Tensor:
    if padding == REFLECTION:
        edge = 0.0 if align else 0.5
        at = _reflected(at, -edge, extent - 1 + edge)
    return at.clamp(0, extent - 1) if padding != ZEROS else at


def _taken(x: Tensor, places: Sequence[Tensor]) -> Tensor:
    """x[n, :, places..]; 0 outside."""
    space = x.shape[2:]
    valid = torch.ones_like(places[0], dtype=torch.bool)
    flat = torch.zeros_like(places[0], dtype=torch.int64)
    for at, extent in zip(places, space, strict=True):
        valid = valid & (at >= 0) & (at < extent)
        flat = flat * extent + at.nan_to_num(0.0).clamp(0, extent - 1).to(torch.int64)
    n, c = x.shape[:2]
    shape = flat.shape[1:]
    index = flat.reshape(n, 1, -1).expand(n, c, -1)
    found = x.reshape(n, c, prod(space)).gather(2, index).reshape(n, c, *shape)
    return torch.where(valid.unsqueeze(1), found, 0)


@expands("grid_sampler_3d")
def grid_sampler_3d(x: Tensor, grid: Tensor, mode: int, padding: int, align: bool) -> Tensor:
    """x[N, C, D, H, W] at grid[N, d, h, w] of (w, h, d)."""
    space = x.shape[2:]
    at = [
        _inside(_unnormalised(grid[..., 2 - d], n, align), n, padding, align)
        for d, n in enumerate(space)
    ]
    if mode == NEAREST:
        return _taken(x, [torch.round(v) for v in at])
    low = [torch.floor(v) for v in at]
    made = x.new_zeros(())
    for corner in product((0, 1), repeat=3):
        weight = torch.ones_like(at[0])
        for v, base, step in zip(at, low, corner, strict=True):
            weight = weight * (v - base if step else base + 1 - v)
        places = [base + step for base, step in zip(low, corner, strict=True)]
        made = made + _taken(x, places) * weight.unsqueeze(1)
    return made


def _starts(samples: Tensor, extent: int, out: int, size: int) -> Tensor:
    """starts[N, C, out] of the windows, that torch places by one random number each."""
    if out == 1:
        return torch.full((*samples.shape, 1), extent - size, dtype=torch.int64)
    alpha = (extent - size) / (out - 1)
    at = torch.arange(out - 1, dtype=samples.dtype)
    u = samples.unsqueeze(-1)
    found = ((at + u) * alpha).to(torch.int64) - (u * alpha).to(torch.int64)
    last = torch.full((*samples.shape, 1), extent - size, dtype=torch.int64)
    return torch.cat([found, last], -1)


def _fractional(x: Tensor, size: Sequence[int], out: Sequence[int], samples: Tensor) -> Any:
    rank = len(size)
    batched = x if x.dim() == rank + 2 else x.unsqueeze(0)
    n, c, *space = batched.shape
    places = torch.zeros((), dtype=torch.int64)
    for d in range(rank):
        # Torch takes the random numbers in the order (w, h), and (t, h, w).
        which = d if rank == 3 else rank - 1 - d
        starts = _starts(samples[..., which], space[d], out[d], size[d])
        shape = [1] * (2 * rank)
        shape[d] = out[d]
        window = [1] * (2 * rank)
        window[rank + d] = size[d]
        steps = torch.arange(size[d]).reshape(window)
        places = places * space[d] + (starts.reshape(n, c, *shape) + steps)
    flat = places.reshape(n, c, -1)
    values = batched.reshape(n, c, -1).gather(2, flat).reshape(n, c, *out, -1)
    best, at = values.max(-1)
    index = flat.reshape(n, c, *out, -1).gather(-1, at.unsqueeze(-1)).squeeze(-1)
    return (best, index) if x.dim() == rank + 2 else (best[0], index[0])


@expands("fractional_max_pool2d", "fractional_max_pool3d")
def fractional_max_pool(
    x: Tensor, kernel_size: Sequence[int], output_size: Sequence[int], random_samples: Tensor
) -> Any:
    """The largest of windows at random places, and where it is."""
    return _fractional(x, kernel_size, output_size, random_samples)


@expands("adaptive_max_pool2d", "adaptive_max_pool3d")
def adaptive_max_pool(x: Tensor, output_size: Sequence[int]) -> Any:
    """The largest of windows that cover the image evenly, and where it is.

    Windows are of one extent, the largest; those that need less see an element twice, which
    changes neither.
    """
    rank = len(output_size)
    space = x.shape[x.dim() - rank :]
    places = torch.zeros((), dtype=torch.int64)
    for d, (n, m) in enumerate(zip(space, output_size, strict=True)):
        out = torch.arange(m)
        starts, stops = out * n // m, ((out + 1) * n + m - 1) // m
        extent = max((-(-(o + 1) * n // m) - o * n // m for o in range(m)), default=0)
        at = torch.minimum(starts.unsqueeze(1) + torch.arange(extent), stops.unsqueeze(1) - 1)
        shape = [1] * (2 * rank)
        shape[d], shape[rank + d] = m, extent
        places = places * n + at.reshape(shape)
    lead = x.shape[: x.dim() - rank]
    flat = places.reshape(-1)
    windows = x.reshape(*lead, -1).index_select(-1, flat).reshape(*lead, *output_size, -1)
    best, which = windows.max(-1)
    index = places.reshape(*output_size, -1).expand(windows.shape)
    return best, index.gather(-1, which.unsqueeze(-1)).squeeze(-1)
