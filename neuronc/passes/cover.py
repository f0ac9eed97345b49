"""Load what a block reads in short runs as the one run that covers it, and lay it out on chip.

    load x[128, (2, 512) (-1, 2)]     1,024 runs of one element for each partition
  becomes
    load c[128, 1024];  copy x[128, 1024] from c, walked (2, 512) (-1, 2)

as pairs that are swapped or repeated want it: rotary embeddings of neighbours, enlarged images. It
applies where the run is no longer than the block and, by the price table, the copy is cheaper than
the short runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from neuronc.dtypes import ElementType
from neuronc.hardware import Generation
from neuronc.isa.operands import FREE_DIMENSIONS_MAX
from neuronc.passes.prices import dma_seconds, pair_seconds

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Cover:
    """One run of each partition, and how a block walks it."""

    first: int
    """Where it starts, beside the block's first element: 0 or before."""
    columns: int
    pairs: Pairs
    """(step, count) of the block, from element -first of the run."""


def cover_of(free: Pairs, partitions: int, kind: ElementType, hw: Generation) -> Cover | None:
    """The run that covers what `free` walks of each partition; None where it does not pay."""
    width = prod(n for _, n in free)
    first = sum(min(0, s) * (n - 1) for s, n in free)
    columns = 1 + sum(abs(s) * (n - 1) for s, n in free)
    if not free or columns > width or len(free) > FREE_DIMENSIONS_MAX:
        return None
    run = free[-1][1] if free[-1][0] == 1 else 1
    apart = dma_seconds(partitions, width // run, run, kind.bytes, hw)
    together = dma_seconds(partitions, 1, columns, kind.bytes, hw)
    if together + pair_seconds(width, kind.bytes, hw) >= apart:
        return None
    return Cover(first, columns, free)


def is_scattered(strides: Sequence[int], sizes: Sequence[int]) -> bool:
    """Whether neighbours of a space do not lie together, so that a cover may pay."""
    inner = [s for s, n in zip(strides, sizes, strict=True) if n > 1]
    return bool(inner) and inner[-1] != 1
