"""Points and weights of numerical integrals, and sums over them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Rule = tuple[Tensor, Tensor]


def trapezoid(high: float, count: int) -> Rule:
    """The trapezoid rule on [0, high].

    Its error falls faster than any power of the step where odd derivatives vanish at both ends.
    """
    place = torch.arange(count + 1, dtype=torch.float64)
    ends = (place == 0) | (place == count)
    step = torch.full_like(place, high / count)  # Of two numbers, `where` makes a float32.
    return place * step, torch.where(ends, step / 2, step)


def gauss(low: float, high: float, count: int) -> Rule:
    """Gauss and Legendre's rule on an interval."""
    points, weights = np.polynomial.legendre.leggauss(count)
    half = (high - low) / 2
    return _constants(low + half * (points + 1)), _constants(half * weights)


def _constants(values: NDArray[np.float64]) -> Tensor:
    """These numbers; a tensor made at once could not be traced."""
    each = [torch.scalar_tensor(v, dtype=torch.float64) for v in values.tolist()]
    return torch.stack(each)


def integral(rule: Rule, function: Callable[[Tensor], Tensor], dtype: torch.dtype) -> Tensor:
    """The sum over the last dimension, which `function` gets as the points."""
    points, weights = (v.to(dtype) for v in rule)
    return (function(points) * weights).sum(-1)


def series(ratio: Callable[[int], Tensor], first: Tensor, count: int) -> list[Tensor]:
    """The first terms of a series by the ratio of each to the one before."""
    terms = [first]
    for k in range(1, count):
        terms.append(terms[-1] * ratio(k))
    return terms
