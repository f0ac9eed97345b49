"""Other shapes over the same memory."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from neuronc.torch.table import expands

ROW_MAJOR = (None, torch.contiguous_format, torch.preserve_format)


@expands("resize")
def resize(x: Tensor, size: Sequence[int], *, memory_format: Any = None) -> Tensor:
    """The first elements as they lie in memory, in another shape.

    A larger one than x has memory for is refused as the walk beyond it that it is.
    """
    if memory_format not in ROW_MAJOR:
        return NotImplemented
    stride = [prod(size[d + 1 :]) for d in range(len(size))]
    return x.as_strided(size, stride)
