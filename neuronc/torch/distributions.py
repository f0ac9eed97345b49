"""Distributions that a graph computes, taken apart into a draw that depends on no value.

    bernoulli(p)        ->  rand < p
    normal(mean, std)   ->  randn * std + mean
    multinomial(p, n)   ->  the n largest of p / exponential

as torch's CPU kernels do, so that a seed gives the same numbers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

aten: Any = torch.ops.aten


def bernoulli(p: Tensor, *_: Any, **__: Any) -> Tensor:
    """1 with probability p, else 0."""
    return (_uniform(p) < p).to(p.dtype)


def bernoulli_like(x: Tensor, p: Tensor, *_: Any, **__: Any) -> Tensor:
    """The same, in the type of x."""
    return (_uniform(p).expand(x.shape) < p).to(x.dtype)


def normal(mean: Tensor | float, std: Tensor | float, *_: Any, **__: Any) -> Tensor:
    """Of the mean and deviation of each element."""
    like = torch.empty_like(torch.add(mean, std))
    return torch.randn_like(like) * std + mean


def multinomial(p: Tensor, count: int, replacement: bool = False, **_: Any) -> Tensor:
    """Different indices, each as likely as its weight p[..., N]."""
    if replacement and count > 1:
        return NotImplemented
    race = p / aten.exponential.default(torch.empty_like(p), 1.0)
    if count == 1:
        return race.argmax(-1, keepdim=True)
    return race.topk(count).indices


def _uniform(p: Tensor) -> Tensor:
    return torch.rand(p.shape, dtype=torch.promote_types(p.dtype, torch.float32))


DISTRIBUTIONS = {
    aten.bernoulli.default: bernoulli,
    aten.multinomial.default: multinomial,
    aten.normal.Tensor_Tensor: normal,
    aten.normal.Tensor_float: normal,
    aten.normal.float_Tensor: normal,
}
