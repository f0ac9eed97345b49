"""What torch draws numbers for, once they are given or not wanted: pooling, slopes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from neuronc.torch.table import expands

aten: Any = torch.ops.aten


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
    space, lead = x.shape[x.dim() - rank :], x.shape[: x.dim() - rank]
    if 0 in output_size:
        shape = [*lead, *output_size]
        return x.new_empty(shape), x.new_empty(shape, dtype=torch.int64)
    places = torch.zeros((), dtype=torch.int64)
    for d, (n, m) in enumerate(zip(space, output_size, strict=True)):
        out = torch.arange(m)
        starts, stops = out * n // m, ((out + 1) * n + m - 1) // m
        extent = max(-(-(o + 1) * n // m) - o * n // m for o in range(m))
        at = torch.minimum(starts.unsqueeze(1) + torch.arange(extent), stops.unsqueeze(1) - 1)
        shape = [1] * (2 * rank)
        shape[d], shape[rank + d] = m, extent
        places = places * n + at.reshape(shape)
    flat = places.reshape(-1)
    windows = x.reshape(*lead, -1).index_select(-1, flat).reshape(*lead, *output_size, -1)
    best, which = windows.max(-1)
    index = places.reshape(*output_size, -1).expand(windows.shape)
    return best, index.gather(-1, which.unsqueeze(-1)).squeeze(-1)


@expands("rrelu_with_noise_functional")
def rrelu(
    x: Tensor, noise: Tensor, lower: float = 0.125, upper: float = 1 / 3, training: bool = False,
    generator: Any = None,
) -> Any:  # fmt: skip
    """The mean slope below zero; where it trains, what is drawn depends on the values."""
    if training:
        return NotImplemented
    return torch.where(x > 0, x, x * ((lower + upper) / 2)), noise
