"""Losses that torch has kernels for, and their gradients."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from neuronc.torch.table import expands

import_module("torch.nn.modules.linear_cross_entropy")  # Torch defines its operations there.
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


@expands("torch_nn._linear_cross_entropy_batch_chunked")
def linear_cross_entropy(
    x: Tensor, w: Tensor, target: Tensor, bias: Tensor | None, weight: Tensor | None,
    reduction: str, ignored: int, smoothing: float, chunk: int, policy: str, wide: torch.dtype,
    retain: bool, *wanted: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Cross entropy of x[N, K] @ w[C, K].T + bias; the gradients of x, w and bias that are wanted.

    Torch reads the rows in chunks, which changes no number, and has the gradients of its sum or
    mean at hand when it has the loss.
    """
    rows, shares, index = _log_softmax(x, w, target, bias, weight, ignored, wide)
    if reduction == "mean":
        total = shares.sum()
        shares = shares / torch.where(total == 0, torch.nan, total)
    loss = -(shares * rows.gather(1, index).squeeze(1)).sum()
    if reduction == "mean" and not x.shape[0]:
        loss = torch.full_like(loss, torch.nan)
    hit = torch.arange(w.shape[0]) == index
    slope = (rows.exp() - hit.to(wide)) * shares.unsqueeze(1)
    made = (
        loss,
        slope @ w.to(wide) if wanted[0] else x.new_empty(0, 0),
        slope.t() @ x.to(wide) if wanted[1] else x.new_empty(0, 0),
        slope.sum(0) if wanted[2] else x.new_empty(0),
    )
    first, *grads = (v.to(x.dtype) for v in made)
    return first, grads[0], grads[1], grads[2]


@expands("torch_nn._linear_cross_entropy_batch_chunked_no_reduction")
def linear_cross_entropy_each(
    x: Tensor, w: Tensor, target: Tensor, bias: Tensor | None, weight: Tensor | None,
    ignored: int, chunk: int, policy: str, wide: torch.dtype,
) -> Tensor:  # fmt: skip
    """The same loss of each row."""
    rows, shares, index = _log_softmax(x, w, target, bias, weight, ignored, wide)
    return -(shares * rows.gather(1, index).squeeze(1)).to(x.dtype)


def _log_softmax(
    x: Tensor, w: Tensor, target: Tensor, bias: Tensor | None, weight: Tensor | None,
    ignored: int, wide: torch.dtype,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Logarithms of the probabilities [N, C], and the share [N] and class [N, 1] of each row."""
    logits = x.to(wide) @ w.to(wide).t()
    logits = logits if bias is None else logits + bias.to(wide)
    left_out = target == ignored
    index = torch.where(left_out, 0, target)
    shares = (~left_out).to(wide)
    if weight is not None:
        shares = shares * weight.to(wide).index_select(0, index)
    return logits.log_softmax(1), shares, index.unsqueeze(1)
