"""What goes by rank and frequency: medians and modes; and writing by index."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from neuronc.torch.table import expands

aten: Any = torch.ops.aten


def _at(ordered: Tensor, order: Tensor, place: Tensor, dim: int, keepdim: bool) -> Any:
    """The entry at a place of a sorted dimension, and where it came from."""
    found = [v.gather(dim, place.unsqueeze(dim)) for v in (ordered, order)]
    return tuple(v if keepdim else v.squeeze(dim) for v in found)


def _nans(x: Tensor, dim: int) -> Tensor:
    return (
        x.isnan().sum(dim)
        if x.is_floating_point()
        else torch.zeros_like(x.select(dim, 0), dtype=torch.int64)
    )


@expands("median.dim")
def median_dim(x: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The lower of the middle values, or the first NaN, which sorting leaves behind all others."""
    if not x.dim():
        return x.clone(), torch.zeros((), dtype=torch.int64)
    count = x.shape[dim]
    ordered, order = aten.sort(x, dim)
    nans = _nans(x, dim)
    place = torch.where(nans > 0, count - nans, (count - 1) // 2)
    return _at(ordered, order, place, dim, keepdim)


@expands("nanmedian.dim")
def nanmedian_dim(x: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The lower of the middle values that are numbers."""
    if not x.dim():
        return x.clone(), torch.zeros((), dtype=torch.int64)
    ordered, order = aten.sort(x, dim)
    place = ((x.shape[dim] - _nans(x, dim) - 1) // 2).clamp(min=0)
    return _at(ordered, order, place, dim, keepdim)


@expands("median")
def median(x: Tensor) -> Tensor:
    """The lower of the middle values of all, or NaN."""
    return median_dim(x.reshape(-1), 0)[0]


@expands("nanmedian")
def nanmedian(x: Tensor) -> Tensor:
    """The lower of the middle values of all that are numbers."""
    return nanmedian_dim(x.reshape(-1), 0)[0]


@expands("mode")
def mode(x: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The smallest of the values that occur most, and where it is last."""
    if not x.dim():
        return x.clone(), torch.zeros((), dtype=torch.int64)
    ordered, order = aten.sort(x, dim)
    last, places = ordered.movedim(dim, -1), order.movedim(dim, -1)
    times = (last.unsqueeze(-1) == last.unsqueeze(-2)).sum(-1)
    first = times.argmax(-1, keepdim=True)
    final = first + times.gather(-1, first) - 1
    found = [last.gather(-1, first), places.gather(-1, final)]
    return tuple(v.movedim(-1, dim) if keepdim else v.squeeze(-1) for v in found)


@expands("_aminmax")
def aminmax(x: Tensor) -> Any:
    """The smallest and the largest of all."""
    return x.amin(), x.amax()


@expands("_aminmax.dim")
def aminmax_dim(x: Tensor, dim: int, keepdim: bool = False) -> Any:
    """The smallest and the largest along a dimension."""
    return x.amin(dim, keepdim), x.amax(dim, keepdim)


@expands("_is_all_true")
def is_all_true(x: Tensor) -> Tensor:
    """Whether all hold."""
    return x.all()


@expands("_is_any_true")
def is_any_true(x: Tensor) -> Tensor:
    """Whether one holds."""
    return x.any()


@expands("searchsorted.Scalar")
def searchsorted(
    edges: Tensor, value: Any, *, out_int32: bool = False, right: bool = False,
    side: str | None = None, sorter: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """How many edges lie below a number."""
    dtype = torch.int32 if out_int32 else torch.int64
    ordered = edges if sorter is None else edges.gather(-1, sorter)
    below = ordered <= value if right or side == "right" else ordered < value
    return below.sum(-1).to(dtype)


@expands("nonzero_static")
def nonzero_static(x: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """The coordinates of the first elements that are not zero, in rows; the rest filled."""
    flat = (x != 0).reshape(-1)
    count = flat.shape[0]
    rank = x.dim()
    places = torch.arange(count)
    order = torch.where(flat, places, count).sort()[0][:size]
    order = aten.constant_pad_nd(order, [0, size - order.shape[0]], count)
    columns: list[Tensor] = []
    step = 1
    for extent in reversed(x.shape):
        columns.insert(0, (order // step) % max(extent, 1))
        step *= max(extent, 1)
    if not columns:
        return torch.zeros((size, 0), dtype=torch.int64)
    assert len(columns) == rank
    return torch.where((order < count).unsqueeze(-1), torch.stack(columns, -1), fill_value)


@expands("put")
def put(x: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """X with elements replaced, counted along its rows."""
    flat = x.reshape(-1)
    made = aten.index_put(flat, [index.reshape(-1)], source.reshape(-1), accumulate)
    return made.reshape(x.shape)


@expands("index_reduce")
def index_reduce(
    x: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """X with slices of one dimension folded in."""
    if not x.dim():
        made = index_reduce(
            x.reshape(1), 0, index.reshape(-1), source.reshape(-1), reduce,
            include_self=include_self,
        )  # fmt: skip
        return made.reshape(())
    shape = [1] * x.dim()
    shape[dim] = -1
    full = index.reshape(shape).expand(source.shape)
    kind = {"prod": "prod", "mean": "mean", "amax": "amax", "amin": "amin"}[reduce]
    return aten.scatter_reduce(x, dim, full, source, kind, include_self=include_self)


@expands("range.step", "range")
def range_of(start: Any, end: Any, step: Any = 1, **kwargs: Any) -> Tensor:
    """start, start + step, .. up to and with end."""
    count = int((end - start) / step) + 1
    dtype = kwargs.get("dtype") or torch.get_default_dtype()
    return (torch.arange(count, dtype=torch.float64) * step + start).to(dtype)
