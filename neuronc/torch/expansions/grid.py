"""Images looked up between their elements, and the gradients of that.

Each dimension has taps: one for the nearest element, two for linear and four for cubic weights. A
value is the sum over all combinations of taps, one a dimension, of the weights' product times the
element; its slope along a dimension has that dimension's weights replaced by their derivatives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Any

import torch
from torch import Tensor

from neuronc.torch.table import expands

aten: Any = torch.ops.aten
BILINEAR, NEAREST, BICUBIC = 0, 1, 2
ZEROS, BORDER, REFLECTION = 0, 1, 2
KEYS = -0.75
"""The parameter of torch's cubic weights."""
Tap = tuple[Tensor, Tensor, Tensor]
"""Where, with what weight, and the weight's derivative."""


def _unnormalised(at: Tensor, extent: int, align: bool) -> Tensor:
    """From [-1, 1] to indices."""
    return (at + 1) / 2 * (extent - 1) if align else ((at + 1) * extent - 1) / 2


def _bounds(extent: int, align: bool) -> tuple[float, float]:
    """Where reflection turns round."""
    edge = 0.0 if align else 0.5
    return -edge, extent - 1 + edge


def _reflected(at: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Folded back and forth between two bounds; and in which direction it goes then."""
    if low == high:
        return torch.zeros_like(at), torch.zeros_like(at)
    span = high - low
    apart = (at - low).abs()
    flips = torch.floor(apart / span)
    rest = apart - flips * span
    even = flips % 2 == 0
    sign = torch.where(at < low, -1.0, 1.0).to(at.dtype)
    return torch.where(even, rest + low, span - rest + low), torch.where(even, sign, -sign)


def _inside(at: Tensor, extent: int, padding: int, align: bool) -> tuple[Tensor, Tensor]:
    """A place as the padding moves it, and the slope of that."""
    slope = torch.ones_like(at)
    if padding == ZEROS:
        return at, slope
    if padding == REFLECTION:
        at, slope = _reflected(at, *_bounds(extent, align))
    slope = torch.where((at <= 0) | (at >= extent - 1), 0, slope)
    return at.clamp(0, extent - 1), slope


def _taps(at: Tensor, extent: int, mode: int, padding: int, align: bool) -> list[Tap]:
    """Of one dimension; derivatives are those by the coordinate in [-1, 1]."""
    scale = (extent - 1) / 2 if align else extent / 2
    place = _unnormalised(at, extent, align)
    if mode == BICUBIC:
        low = torch.floor(place)
        moved = [_inside(low + k, extent, padding, align)[0] for k in range(-1, 3)]
        curves = [_keys(place - low - k) for k in range(-1, 3)]
        return [(p, w, d * scale) for p, (w, d) in zip(moved, curves, strict=True)]
    place, slope = _inside(place, extent, padding, align)
    if mode == NEAREST:
        return [(torch.round(place), torch.ones_like(place), torch.zeros_like(place))]
    low, slope = torch.floor(place), slope * scale
    return [(low, low + 1 - place, -slope), (low + 1, place - low, slope)]


def _keys(t: Tensor) -> tuple[Tensor, Tensor]:
    """Keys' cubic of a distance, and its derivative."""
    a, sign, t = KEYS, torch.sign(t), t.abs()
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    near_slope = (3 * (a + 2) * t - 2 * (a + 3)) * t
    far_slope = (3 * a * t - 10 * a) * t + 8 * a
    return torch.where(t <= 1, near, far), sign * torch.where(t <= 1, near_slope, far_slope)


def _all_taps(x: Tensor, grid: Tensor, mode: int, padding: int, align: bool) -> list[list[Tap]]:
    """Of each dimension of the image; the grid names the last one first."""
    space = x.shape[2:]
    rank = len(space)
    return [_taps(grid[..., rank - 1 - d], n, mode, padding, align) for d, n in enumerate(space)]


def _index(x: Tensor, places: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """index[N, C, P] of places in the flat image, and which lie in it[N, 1, P]."""
    valid = torch.ones_like(places[0], dtype=torch.bool)
    flat = torch.zeros_like(places[0], dtype=torch.int64)
    for at, extent in zip(places, x.shape[2:], strict=True):
        valid = valid & (at >= 0) & (at < extent)
        flat = flat * extent + at.nan_to_num(0.0).clamp(0, extent - 1).to(torch.int64)
    n, c = x.shape[:2]
    return flat.reshape(n, 1, -1).expand(n, c, -1), valid.reshape(n, 1, -1)


def _combined(taps: Sequence[Sequence[Tap]]) -> Iterator[tuple[Tap, ...]]:
    return product(*taps)


def _product(factors: Sequence[Tensor]) -> Tensor:
    """weights[N, 1, P]."""
    made = factors[0]
    for factor in factors[1:]:
        made = made * factor
    return made.reshape(made.shape[0], 1, -1)


@expands("grid_sampler_3d")
def grid_sampler_3d(x: Tensor, grid: Tensor, mode: int, padding: int, align: bool) -> Tensor:
    """x[N, C, D, H, W] at grid[N, d, h, w] of (w, h, d)."""
    n, c, *space = x.shape
    flat, made = x.reshape(n, c, prod(space)), x.new_zeros(())
    for taps in _combined(_all_taps(x, grid, mode, padding, align)):
        index, valid = _index(x, [t[0] for t in taps])
        found = torch.where(valid, flat.gather(2, index), 0)
        made = made + found * _product([t[1] for t in taps])
    return made.reshape(n, c, *grid.shape[1:-1])


@expands("grid_sampler_2d_backward", "grid_sampler_3d_backward")
def grid_sampler_backward(
    grad: Tensor, x: Tensor, grid: Tensor, mode: int, padding: int, align: bool,
    output_mask: Sequence[bool],
) -> Any:  # fmt: skip
    """The gradients of x[N, C, space..] and of grid[N, out.., rank]."""
    n, c, *space = x.shape
    rank, flat = len(space), x.reshape(n, c, prod(space))
    g = grad.reshape(n, c, -1)
    to_image = torch.zeros_like(flat)
    to_grid = [grid.new_zeros(n, 1, g.shape[2]) for _ in space]
    for taps in _combined(_all_taps(x, grid, mode, padding, align)):
        index, valid = _index(x, [t[0] for t in taps])
        weighted = torch.where(valid, g * _product([t[1] for t in taps]), 0)
        to_image = to_image.scatter_add(2, index, weighted)
        along = (torch.where(valid, flat.gather(2, index), 0) * g).sum(1, keepdim=True)
        for d in range(rank):
            slopes = [t[2] if e == d else t[1] for e, t in enumerate(taps)]
            to_grid[d] = to_grid[d] + along * _product(slopes)
    image = to_image.reshape(x.shape) if output_mask[0] else None
    columns = torch.stack([v.reshape(grid.shape[:-1]) for v in reversed(to_grid)], -1)
    return image, columns if output_mask[1] else None
