"""Reduce windows of a buffer from what they cover of it, loaded once in long runs.

    %v = program.windows %x[n, c, 114, 114] -> [n, c, 56, 56, 3, 3];  %m = reduce max %v over 3, 3
  becomes
    for c, for rows { load x[128, 15 * 114]; reduce -> m[128, (7, 56)], walked (228, 2, 114, 1) }

Read window by window, an element is loaded as often as windows hold it, in runs as short as one row
of one window. It applies where reductions alone read the windows, all of the windows of a row fit
on chip, no more than half of what is loaded is in no window, and an access has as many dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from neuronc.isa.operands import FREE_DIMENSIONS_MAX
from neuronc.passes.budget import BLOCK_COLUMNS
from neuronc.passes.footprint import Footprint, footprint_of
from neuronc.passes.iteration import Load, Strided, merge_pairs, tile_shape
from neuronc.passes.mapping import Kind

COVERED_COLUMNS = 4 * BLOCK_COLUMNS
"""Elements of a partition that windows may cover; what two blocks share is loaded twice."""
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Covered:
    """What the windows of one block of rows cover: some runs of each partition."""

    footprint: Footprint
    taken: tuple[int, ...]
    """How much of each free dimension the block has."""

    @property
    def columns(self) -> int:
        """Elements of a partition that are loaded."""
        return self.footprint.runs(self.taken) * self.footprint.run(self.taken)

    @property
    def runs(self) -> Pairs:
        """The (step, count) pairs of the load."""
        return merge_pairs((*self.footprint.outer(self.taken), (1, self.footprint.run(self.taken))))

    @property
    def kept(self) -> Pairs:
        """How the first elements of the windows lie in the block."""
        return merge_pairs(tuple(zip(self.footprint.columns(self.taken), self.taken, strict=True)))

    @property
    def taps(self) -> Pairs:
        """How the elements of a window lie."""
        return merge_pairs(self.footprint.taps)

    def pays(self) -> bool:
        """Whether the runs are longer than those of the windows, and little is in no window."""
        (step, count) = merge_pairs((*self.kept, *self.taps))[-1]
        longer = self.footprint.run(self.taken) > (count if step == 1 else 1)
        inside = prod(self.taken) * prod(n for _, n in self.footprint.taps)
        fits = len(self.kept) + len(self.taps) <= FREE_DIMENSIONS_MAX
        return fits and longer and self.columns <= 2 * inside


def footprints(
    loads: Mapping[Load, Strided], level: Kind, sizes: Sequence[int], kept: int, at: int
) -> dict[Load, Footprint]:
    """What each load of windows covers, with dimension `at` on the partitions."""
    found: dict[Load, Footprint] = {}
    for load, access in loads.items():
        free = tuple(access.strides[d] for d in range(kept) if d != at)
        depth = (sizes[at], *sizes[kept:])
        strides = (access.strides[at], *access.strides[kept:])
        made = footprint_of(free, strides, depth, 1) if load.level == level else None
        if made is not None and access.source is not None:
            found[load] = made
    return found


def block_of_rows(
    footprints: Sequence[Footprint], free: Sequence[int], widest: int
) -> tuple[int, ...] | None:
    """The most of the free dimensions whose windows cover `widest` elements or fewer, if any."""
    room = prod(free)
    while room:
        taken = tile_shape(free, room)
        blocks = [Covered(footprint, taken) for footprint in footprints]
        if all(block.columns <= widest for block in blocks):
            return taken if all(block.pays() for block in blocks) else None
        room //= 2
    return None
