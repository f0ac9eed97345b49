"""Rows of a table: in groups, by a matrix that says which row is in which; and of one length."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from neuronc.torch.table import expands

aten: Any = torch.ops.aten
SUM, MEAN, MAX = 0, 1, 2


def bag_of(offsets: Tensor, count: int, bags: int) -> Tensor:
    """The bag of each of `count` rows."""
    row = torch.arange(count)
    starts = offsets[:bags].to(torch.int64)
    return (starts.unsqueeze(0) <= row.unsqueeze(1)).sum(1) - 1


@expands("_embedding_bag", "_embedding_bag_forward_only")
def embedding_bag(
    weight: Tensor, indices: Tensor, offsets: Tensor, scale_grad_by_freq: bool = False,
    mode: int = SUM, sparse: bool = False, per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False, padding_idx: int = -1,
) -> Any:  # fmt: skip
    """Rows of a table, folded bag by bag; then what the gradient needs."""
    bags = offsets.shape[0] - include_last_offset
    count = indices.shape[0]
    bag = bag_of(offsets, count, bags)
    member = bag.unsqueeze(0) == torch.arange(bags).unsqueeze(1)
    kept = member & (indices != padding_idx) if padding_idx >= 0 else member
    rows = weight.index_select(0, indices)
    size = kept.sum(1)
    wide = rows.to(torch.float32) if rows.dtype in (torch.float16, torch.bfloat16) else rows
    if mode == MAX:
        lifted = torch.where(kept.unsqueeze(-1), wide, -float("inf"))
        best = lifted.amax(1) if count else wide.new_zeros(bags, weight.shape[1])
        made = torch.where((size > 0).unsqueeze(-1), best, 0)
        at = lifted.argmax(1) if count else torch.zeros(made.shape, dtype=torch.int64)
        found = indices.to(torch.int64)[at.reshape(-1)].reshape(at.shape) if count else at
        largest = torch.where((size > 0).unsqueeze(-1), found, 0).to(indices.dtype)
    else:
        if per_sample_weights is not None:
            wide = wide * per_sample_weights.to(wide.dtype).unsqueeze(-1)
        made = kept.to(wide.dtype) @ wide
        if mode == MEAN:
            made = made / size.clamp(min=1).unsqueeze(-1).to(wide.dtype)
        size = size if mode == MEAN else torch.zeros_like(size)  # As torch has them, for a sum.
        largest = size.to(indices.dtype)
    return made.to(weight.dtype), bag.to(indices.dtype), size.to(indices.dtype), largest


@expands("embedding_renorm")
def embedding_renorm(weight: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> Tensor:
    """A table whose rows that are looked up are shortened to a length at most."""
    index = indices.reshape(-1)
    rows = weight.index_select(0, index)
    length = aten.linalg_vector_norm(rows, norm_type, [1], True)
    shorter = torch.where(length > max_norm, rows * (max_norm / (length + 1e-7)), rows)
    return weight.index_put([index], shorter)


_START = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "max": -float("inf"), "min": float("inf")}


@expands("segment_reduce")
def segment_reduce(
    data: Tensor, reduce: str, *, lengths: Tensor | None = None, indices: Tensor | None = None,
    offsets: Tensor | None = None, axis: int = 0, unsafe: bool = False, initial: Any = None,
) -> Tensor:  # fmt: skip
    """Runs of the dimension `axis`, folded one by one, for each entry of those before it."""
    if offsets is None:
        assert lengths is not None
        ends = lengths.cumsum(-1)
        starts = ends - lengths
    else:
        starts, ends = offsets[..., :-1], offsets[..., 1:]
    count, rank = data.shape[axis], data.dim()
    row = torch.arange(count)
    member = (starts.unsqueeze(-1) <= row) & (row < ends.unsqueeze(-1))
    shape = [*data.shape[:axis], starts.shape[-1], count, *[1] * (rank - axis - 1)]
    member = member.reshape(shape)
    start = _START[reduce] if initial is None else initial
    neutral = start if reduce in ("max", "min") else _START[reduce]
    spread = torch.where(member, data.unsqueeze(axis), neutral)
    size = member.sum(axis + 1).to(data.dtype)
    if reduce in ("max", "min"):
        made = spread.amax(axis + 1) if reduce == "max" else spread.amin(axis + 1)
        bound = torch.full((), start, dtype=data.dtype)
        return torch.maximum(made, bound) if reduce == "max" else torch.minimum(made, bound)
    if reduce == "prod":
        return spread.prod(axis + 1) * start
    made = spread.sum(axis + 1) + start
    if reduce == "sum":
        return made
    empty = float("nan") if initial is None else initial
    return torch.where(size > 0, made / size.clamp(min=1), empty)
