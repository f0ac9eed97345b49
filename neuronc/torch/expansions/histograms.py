"""How many elements lie between edges, in one dimension or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from neuronc.torch.table import expands


def _inside(x: Tensor, edges: Tensor) -> Tensor:
    """1 where x[N] lies between a pair of edges, in a column for each pair; the last one closed."""
    bins = edges.shape[0] - 1
    at = _above(x, edges).clamp(max=bins) - 1
    between = (x >= edges[0]) & (x <= edges[-1])
    found = (at.unsqueeze(1) == torch.arange(bins)) & between.unsqueeze(1)
    return found.to(edges.dtype)


def _above(x: Tensor, edges: Tensor) -> Tensor:
    """The first edge above each of x[N], by halving; so also edges out of order are as in eager."""
    count = edges.shape[0]
    start = torch.zeros(x.shape, dtype=torch.int64)
    stop = torch.full(x.shape, count)
    for _ in range(count.bit_length()):
        middle = (start + stop) // 2
        below = x < edges.index_select(0, middle.clamp(max=count - 1))
        apart = start < stop
        stop = torch.where(apart & below, middle, stop)
        start = torch.where(apart & ~below, middle + 1, start)
    return start


def _equal_edges(x: Tensor, bins: int, bounds: Sequence[Any] | None) -> Tensor:
    """Edges of equal bins between two bounds, or the least and the largest element."""
    low, high = bounds if bounds is not None else (x.min(), x.max())
    steps = torch.arange(bins + 1, dtype=x.dtype) / bins
    low, high = (
        v if isinstance(v, Tensor) else torch.full((), v, dtype=x.dtype) for v in (low, high)
    )
    same = low == high
    low, high = torch.where(same, low - 0.5, low), torch.where(same, high + 0.5, high)
    return torch.where(steps < 0.5, low + (high - low) * steps, high - (high - low) * (1 - steps))


def _counted(x: Tensor, edges: Sequence[Tensor], weight: Tensor | None, density: bool) -> Tensor:
    """Of rows x[N, D], how many, or what weight, lie in each of the boxes."""
    shares = torch.ones(x.shape[0], 1, dtype=x.dtype)
    shares = shares if weight is None else weight.reshape(-1, 1).to(x.dtype)
    for d, edge in enumerate(edges):
        shares = (shares.unsqueeze(2) * _inside(x[:, d], edge).unsqueeze(1)).flatten(1)
    found = shares.sum(0).reshape([e.shape[0] - 1 for e in edges])
    if not density:
        return found
    found = found / found.sum()
    for d, edge in enumerate(edges):
        widths = edge[1:] - edge[:-1]
        found = found / widths.reshape([-1 if k == d else 1 for k in range(len(edges))])
    return found


@expands("histogram.bins_tensor")
def histogram(
    x: Tensor, bins: Tensor, *, weight: Tensor | None = None, density: bool = False
) -> tuple[Tensor, Tensor]:
    """How many elements, or what weight, lie between each pair of edges."""
    return _counted(x.reshape(-1, 1), [bins], weight, density), bins.clone()


@expands("histogram.bin_ct")
def histogram_of(
    x: Tensor, bins: int = 100, *, range: Any = None, weight: Tensor | None = None,
    density: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The same with equal bins."""
    return histogram(x, _equal_edges(x, bins, range), weight=weight, density=density)


@expands("_histogramdd_bin_edges")
def histogramdd_edges(
    x: Tensor, bins: Sequence[int], *, range: Sequence[float] | None = None,
    weight: Tensor | None = None, density: bool = False,
) -> list[Tensor]:  # fmt: skip
    """The edges of equal bins of each column of x[..., D]."""
    rows = x.reshape(-1, x.shape[-1])
    bounds = [None if range is None else range[2 * d : 2 * d + 2] for d, _ in enumerate(bins)]
    return [_equal_edges(rows[:, d], n, bounds[d]) for d, n in enumerate(bins)]


@expands("_histogramdd_from_bin_cts")
def histogramdd_counted(
    x: Tensor, bins: Sequence[int], *, range: Sequence[float] | None = None,
    weight: Tensor | None = None, density: bool = False,
) -> Tensor:  # fmt: skip
    """How many rows, or what weight, lie in each box of equal bins."""
    return histogramdd(x, histogramdd_edges(x, bins, range=range), weight=weight, density=density)


@expands("_histogramdd_from_bin_tensors")
def histogramdd(
    x: Tensor, bins: Sequence[Tensor], *, weight: Tensor | None = None, density: bool = False
) -> Tensor:
    """The same of boxes by their edges."""
    return _counted(x.reshape(-1, x.shape[-1]), bins, weight, density)
