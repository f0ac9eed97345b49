"""Gradients that AOTAutograd asks for by name, and torch has no decomposition of."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from neuronc.torch.expansions.bags import MAX, MEAN, bag_of
from neuronc.torch.table import expands

aten: Any = torch.ops.aten


def _spread(grad: Tensor, shape: Sequence[int], indices: Tensor, rank: int) -> Tensor:
    """Each gradient added to the element of the flat image that its window's index names."""
    lead, space = prod(shape[: len(shape) - rank]), prod(shape[len(shape) - rank :])
    rows = grad.reshape(lead, -1)
    index = indices.reshape(lead, -1).to(torch.int64)
    return rows.new_zeros(lead, space).scatter_add(1, index, rows).reshape(list(shape))


@expands("max_pool3d_with_indices_backward", "fractional_max_pool3d_backward")
def max_pool3d_backward(grad: Tensor, x: Tensor, *args: Any) -> Tensor:
    """To where the largest of each window was."""
    return _spread(grad, x.shape, args[-1], 3)


@expands("fractional_max_pool2d_backward")
def fractional_max_pool2d_backward(grad: Tensor, x: Tensor, *args: Any) -> Tensor:
    """To where the largest of each window was."""
    return _spread(grad, x.shape, args[-1], 2)


@expands("adaptive_max_pool2d_backward")
def adaptive_max_pool2d_backward(grad: Tensor, x: Tensor, indices: Tensor) -> Tensor:
    """To where the largest of each window was."""
    return _spread(grad, x.shape, indices, 2)


@expands("adaptive_max_pool3d_backward")
def adaptive_max_pool3d_backward(grad: Tensor, x: Tensor, indices: Tensor) -> Tensor:
    """To where the largest of each window was."""
    return _spread(grad, x.shape, indices, 3)


@expands("replication_pad1d_backward", "replication_pad2d_backward", "replication_pad3d_backward")
def replication_pad_backward(grad: Tensor, x: Tensor, padding: Sequence[int]) -> Tensor:
    """What the copies of an edge get is the edge's."""
    for k in range(len(padding) // 2):
        dim = x.dim() - 1 - k
        low, high = padding[2 * k], padding[2 * k + 1]
        at = torch.arange(-low, x.shape[dim] + high).clamp(0, x.shape[dim] - 1)
        shape = list(grad.shape)
        shape[dim] = x.shape[dim]
        grad = grad.new_zeros(shape).index_add(dim, at, grad)
    return grad


@expands("hardshrink_backward", "softshrink_backward")
def shrink_backward(grad: Tensor, x: Tensor, lambd: float) -> Tensor:
    """0 where the function is."""
    return torch.where(x.abs() <= lambd, 0, grad)


@expands("masked_scatter_backward")
def masked_scatter_backward(grad: Tensor, mask: Tensor, sizes: Sequence[int]) -> Tensor:
    """The gradients of what the mask let in, in order; the rest of the source gets none."""
    count = prod(sizes)
    chosen = mask.expand(grad.shape).reshape(-1)
    place = chosen.to(torch.int64).cumsum(0) - 1
    at = torch.where(chosen, place, count).clamp(max=count)
    flat = torch.where(chosen, grad.reshape(-1), 0)
    made = flat.new_zeros(count + 1).scatter_add(0, at, flat)
    return made[:count].reshape(list(sizes))


def _distance_slope(apart: Tensor, grad: Tensor, distance: Tensor, p: float) -> Tensor:
    """The gradient of a p-norm of differences; 0 where it has none."""
    if p == 0:
        return torch.zeros_like(apart)
    sign = torch.sign(apart)
    if p == 1:
        return grad * sign
    if p == float("inf"):
        return grad * sign * (apart.abs() == distance)
    zero = distance == 0
    safe = torch.where(zero, 1, distance)
    slope = apart if p == 2 else sign * apart.abs() ** (p - 1)
    made = slope * grad / (safe if p == 2 else safe ** (p - 1))
    if p < 1:
        made = torch.where(apart == 0, 0, made)
    return torch.where(zero, 0, made)


@expands("_cdist_backward")
def cdist_backward(grad: Tensor, x: Tensor, y: Tensor, p: float, cdist: Tensor) -> Tensor:
    """Of the distances[..., M, N] of rows, for those of x[..., M, K]."""
    apart = x.unsqueeze(-2) - y.unsqueeze(-3)
    return _distance_slope(apart, grad.unsqueeze(-1), cdist.unsqueeze(-1), p).sum(-2)


@expands("_pdist_backward")
def pdist_backward(grad: Tensor, x: Tensor, p: float, pdist: Tensor) -> Tensor:
    """Of the distances of all pairs of rows of x[N, K]."""
    count = x.shape[0]
    if count < 2:
        return torch.zeros_like(x)
    pairs = torch.triu_indices(count, count, 1)
    first, second = pairs[0], pairs[1]
    apart = x.index_select(0, first) - x.index_select(0, second)
    slope = _distance_slope(apart, grad.unsqueeze(1), pdist.unsqueeze(1), p)
    zeros = torch.zeros_like(x)
    return zeros.index_add(0, first, slope) - zeros.index_add(0, second, slope)


@expands("_embedding_bag_dense_backward")
def embedding_bag_backward(
    grad: Tensor, indices: Tensor, offset2bag: Tensor, bag_size: Tensor, largest: Tensor,
    num_weights: int, scale_grad_by_freq: bool, mode: int,
    per_sample_weights: Tensor | None = None, padding_idx: int = -1,
) -> Tensor:  # fmt: skip
    """Gradients of bags, added to the rows that were in them."""
    if mode == MAX:
        shared = torch.where((bag_size > 0).unsqueeze(-1), grad, 0)
        zeros = grad.new_zeros(num_weights, grad.shape[1])
        return zeros.scatter_add(0, largest.to(torch.int64), shared)
    rows = grad.index_select(0, offset2bag)
    if mode == MEAN:
        rows = rows / bag_size.clamp(min=1).index_select(0, offset2bag).unsqueeze(1).to(rows.dtype)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(1)
    return aten.embedding_dense_backward(
        rows, indices, num_weights, padding_idx, scale_grad_by_freq
    )


@expands("_embedding_bag_backward")
def embedding_bag_backward_of(
    grad: Tensor, indices: Tensor, offsets: Tensor, offset2bag: Tensor, bag_size: Tensor,
    largest: Tensor, num_weights: int, scale_grad_by_freq: bool, mode: int, sparse: bool,
    per_sample_weights: Tensor | None, padding_idx: int = -1,
) -> Tensor:  # fmt: skip
    """The same; torch may leave it out which bag a row is in."""
    if sparse:
        return NotImplemented
    bag = bag_of(offsets, indices.shape[0], offsets.shape[0])
    return embedding_bag_backward(
        grad, indices, bag, bag_size, largest, num_weights, scale_grad_by_freq, mode,
        per_sample_weights, padding_idx,
    )  # fmt: skip


@expands("_embedding_bag_per_sample_weights_backward")
def embedding_bag_weights_backward(
    grad: Tensor, weight: Tensor, indices: Tensor, offsets: Tensor, offset2bag: Tensor,
    mode: int, padding_idx: int = -1,
) -> Tensor:  # fmt: skip
    """What one row of each bag was multiplied by: the row times the gradient of its bag."""
    bag = bag_of(offsets, indices.shape[0], offsets.shape[0])
    made = (grad.index_select(0, bag) * weight.index_select(0, indices)).sum(1)
    return made if padding_idx < 0 else torch.where(indices == padding_idx, 0, made)
