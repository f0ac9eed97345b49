"""Edges around a tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from neuronc.torch.building.values import Value, shape_of
from neuronc.torch.ops.indexing import take
from neuronc.torch.scope import Scope
from neuronc.torch.table import Operand, aten

Sizes = Sequence[int]


def _by_dimension(pad: Sizes, rank: int) -> tuple[list[int], list[int]]:
    """Torch lists edges from the last dimension on: (low, high), (low, high), .."""
    low, high = [0] * rank, [0] * rank
    for k in range(len(pad) // 2):
        low[rank - 1 - k], high[rank - 1 - k] = pad[2 * k], pad[2 * k + 1]
    return low, high


@aten("constant_pad_nd")
def constant_pad(s: Scope, x: Value, pad: Sizes, value: Operand = 0) -> Value:
    """One value around the edges; negative edges cut off."""
    low, high = _by_dimension(pad, len(shape_of(x)))
    return s.b.pad(x, s.cast(value), low, high)


def _mirrored(s: Scope, x: Value, pad: Sizes, mode: str) -> Value:
    """Edges that repeat what is inside, dimension by dimension."""
    low, high = _by_dimension(pad, len(shape_of(x)))
    for d, (before, after) in enumerate(zip(low, high, strict=True)):
        if before or after:
            extent = shape_of(x)[d]
            at = np.arange(-before, extent + after)
            x = take(s.b, x, s.b.array(_INSIDE[mode](at, extent).astype(np.int32)), d)
    return x


Indices = NDArray[np.int64]
_INSIDE: dict[str, Callable[[Indices, int], Indices]] = {
    "replicate": lambda at, n: np.clip(at, 0, n - 1),
    "reflect": lambda at, n: n - 1 - np.abs(n - 1 - np.abs(at)),
}


@aten("reflection_pad1d", "reflection_pad2d", "reflection_pad3d")
def reflection_pad(s: Scope, x: Value, pad: Sizes) -> Value:
    """Edges that mirror what is inside."""
    return _mirrored(s, x, pad, "reflect")


@aten("replication_pad1d", "replication_pad2d", "replication_pad3d")
def replication_pad(s: Scope, x: Value, pad: Sizes) -> Value:
    """Edges that repeat the outermost."""
    return _mirrored(s, x, pad, "replicate")
