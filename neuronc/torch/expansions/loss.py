"""Gradients of losses that torch has kernels for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from neuronc.torch.table import expands

MEAN = 1


@expands("multi_margin_loss_backward")
def multi_margin_backward(
    grad: Tensor, x: Tensor, target: Tensor, p: Any, margin: Any, weight: Tensor | None = None,
    reduction: int = MEAN,
) -> Tensor:  # fmt: skip
    """Gradient of the mean over classes of max(0, margin - x[target] + x[c])^p."""
    rows = x.reshape(-1, x.shape[-1])
    index = target.reshape(-1, 1)
    apart = margin - rows.gather(1, index) + rows
    slope = torch.where(apart > 0, p * apart.clamp(min=0) ** (p - 1), 0)
    if weight is not None:
        slope = slope * weight[index.reshape(-1)].unsqueeze(1)
    own = torch.arange(rows.shape[1]) == index
    slope = torch.where(own, 0, slope)
    slope = torch.where(own, -slope.sum(1, keepdim=True), slope) / rows.shape[1]
    scale = grad / rows.shape[0] if reduction == MEAN else grad
    return (slope * scale.reshape(-1, 1)).reshape(x.shape)


@expands("multilabel_margin_loss_backward")
def multilabel_margin_backward(
    grad: Tensor, x: Tensor, target: Tensor, reduction: int, is_target: Tensor
) -> Tensor:
    """Gradient of the mean over pairs (label, other) of max(0, 1 - x[label] + x[other])."""
    rows = x.reshape(-1, x.shape[-1])
    labels = target.reshape(rows.shape).to(torch.int64)
    wanted = is_target.reshape(rows.shape) != 0
    listed = (labels < 0).cumsum(1) == 0
    at = labels.clamp(min=0)
    apart = 1 - rows.gather(1, at).unsqueeze(2) + rows.unsqueeze(1)
    hit = (apart > 0) & listed.unsqueeze(2) & ~wanted.unsqueeze(1)
    counts = hit.to(x.dtype)
    slope = counts.sum(1)
    pulled = torch.zeros_like(rows).scatter_add(1, at, counts.sum(2))
    scale = grad / rows.shape[0] if reduction == MEAN else grad
    return ((slope - pulled) / rows.shape[1] * scale.reshape(-1, 1)).reshape(x.shape)
