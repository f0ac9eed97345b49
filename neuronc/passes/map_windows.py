"""Reduce elements that do not lie together from what they cover, loaded once in long runs.

    %v = program.windows %x[n, c, 114, 114] -> [n, c, 56, 56, 3, 3];  %m = reduce max %v over 3, 3
  becomes
    for c, for rows { load x[128, 15 * 114]; reduce -> m[128, (7, 56)], walked (228, 2, 114, 1) }

Read window by window, an element is loaded as often as windows hold it, in runs as short as one row
of one window; and a sum over a leading dimension reads one element here, one there. It applies
where reductions alone read what is loaded, all that a row reduces fits on chip, no more than half
of what is loaded is not reduced, and an access has as many dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from neuronc.isa.operands import FREE_DIMENSIONS_MAX
from neuronc.passes.budget import BLOCK_COLUMNS
from neuronc.passes.iteration import Load, Strided, merge_pairs, tile_shape
from neuronc.passes.mapping import Kind

COVERED_COLUMNS = 4 * BLOCK_COLUMNS
"""Elements of a partition that may be covered; what two blocks share is loaded twice."""
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Walk:
    """How one load walks a partition."""

    free: tuple[int, ...]
    """Strides of the free dimensions."""
    taps: Pairs
    """(stride, count) of the dimensions that are reduced."""
    lane: int
    """The step from one partition to the next: what steps as far is around the runs."""


@dataclass(frozen=True)
class Covered:
    """What a block of rows reads of each partition: some runs, one after the other."""

    walk: Walk
    taken: tuple[int, ...]
    """How much of each free dimension the block has."""

    @property
    def _all(self) -> Pairs:
        """(stride, count) of the free dimensions, then of those that are reduced."""
        return (*zip(self.walk.free, self.taken, strict=True), *self.walk.taps)

    def _is_outer(self, stride: int) -> bool:
        return stride >= self.walk.lane

    @property
    def run(self) -> int:
        """Elements from the first to the last that are read together."""
        return 1 + sum((n - 1) * s for s, n in self._all if not self._is_outer(s))

    @property
    def columns(self) -> int:
        """Elements of a partition that are loaded."""
        return self.run * prod(n for s, n in self._all if self._is_outer(s))

    @property
    def runs(self) -> Pairs:
        """The (step, count) pairs of the load."""
        outer = [(s, n) for s, n in self._all if self._is_outer(s)]
        return merge_pairs((*outer, (1, self.run)))

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps of all dimensions in the block."""
        steps, step = [s for s, _ in self._all], self.run
        for d in range(len(steps) - 1, -1, -1):
            if self._is_outer(steps[d]):
                steps[d], step = step, step * self._all[d][1]
        return tuple(steps)

    @property
    def kept(self) -> Pairs:
        """How the first elements of the rows lie in the block."""
        return merge_pairs(tuple(zip(self.steps, self.taken, strict=False)))

    @property
    def tapped(self) -> Pairs:
        """How the elements of a row lie."""
        counts = [n for _, n in self.walk.taps]
        return merge_pairs(tuple(zip(self.steps[len(self.taken) :], counts, strict=True)))

    def pays(self) -> bool:
        """Whether the runs are longer than those of the rows, and little is not read."""
        walked = merge_pairs(self._all)
        step, count = walked[-1] if walked else (1, 1)
        longer = self.run > (count if step == 1 else 1)
        fits = len(self.kept) + len(self.tapped) <= FREE_DIMENSIONS_MAX and len(self.tapped) > 0
        return fits and longer and self.columns <= 2 * prod(n for _, n in self._all)


def walks_of(
    loads: Mapping[Load, Strided], level: Kind, sizes: Sequence[int], kept: int, at: int
) -> dict[Load, Walk]:
    """How each load that is reduced walks a partition, with dimension `at` on the partitions."""
    found: dict[Load, Walk] = {}
    for load, access in loads.items():
        if load.level == level and access.source is not None and min(access.strides) >= 0:
            free = tuple(access.strides[d] for d in range(kept) if d != at)
            taps = tuple(zip(access.strides[kept:], sizes[kept:], strict=True))
            found[load] = Walk(free, taps, access.strides[at])
    return found


def block_of_rows(
    walks: Sequence[Walk], free: Sequence[int], widest: int
) -> tuple[int, ...] | None:
    """The most of the free dimensions that cover `widest` elements or fewer, if it pays."""
    room = prod(free)
    while room:
        taken = tile_shape(free, room)
        blocks = [Covered(walk, taken) for walk in walks]
        if all(block.columns <= widest for block in blocks):
            return taken if all(block.pays() for block in blocks) else None
        room //= 2
    return None
