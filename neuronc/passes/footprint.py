"""What the windows of a contraction cover of a buffer, where they overlap or leave gaps.

    x[c, y, x] at (oh * 2 + kh, ow * 2 + kw), K = (c, kh, kw), c on the partitions
  is
    per partition one run of x, read at steps (2 * W, 2) from kh * W + kw on

A convolution reads each element of its input once per tap of its kernel. If the dimensions of K
that lie on the partitions step further than all windows of a tile reach, then what those reach is
one run of each partition: it is loaded once, in long runs, and each tap is a strided look at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import prod

from neuronc.passes.iteration import tile_shape


@dataclass(frozen=True)
class Footprint:
    """How one operand's free dimensions, and the taps that are K's inner ones, walk a partition."""

    free: tuple[int, ...]
    """Strides of the free dimensions."""
    taps: tuple[tuple[int, int], ...]
    """(stride, count) of the dimensions of K that are not on the partitions."""
    lane: int
    """The widest step from one partition to the next; what steps further is around the runs."""

    def run(self, taken: Sequence[int]) -> int:
        """Elements that the windows of a tile reach from its first one on."""
        inner = zip(self.free, taken, strict=True)
        reach = sum((n - 1) * s for s, n in inner if not self._is_outer(s))
        return 1 + reach + sum((n - 1) * s for s, n in self.taps)

    def runs(self, taken: Sequence[int]) -> int:
        """How many such runs there are: one for each index of the dimensions around them."""
        return prod(n for s, n in zip(self.free, taken, strict=True) if self._is_outer(s))

    def outer(self, taken: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """(stride, count) of the dimensions around the runs."""
        pairs = zip(self.free, taken, strict=True)
        return tuple((s, n) for s, n in pairs if self._is_outer(s))

    def columns(self, taken: Sequence[int]) -> tuple[int, ...]:
        """The steps of the free dimensions along a partition that holds the runs one by one."""
        steps, step = list(self.free), self.run(taken)
        for d in range(len(steps) - 1, -1, -1):
            if self._is_outer(self.free[d]):
                steps[d], step = step, step * taken[d]
        return tuple(steps)

    def _is_outer(self, stride: int) -> bool:
        return stride > self.lane


@cache
def footprint_of(
    free: tuple[int, ...], strides: tuple[int, ...], depth: tuple[int, ...], lanes: int
) -> Footprint | None:
    """The footprint with the first `lanes` dimensions of K on the partitions; None if it is none.

    `free` are the strides of the free dimensions, `strides` and `depth` those and the sizes of K.
    It must save something: taps that share elements, or steps that leave gaps.
    """
    if not lanes or min((*free, *strides), default=0) < 0:
        return None
    taps = tuple(zip(strides[lanes:], depth[lanes:], strict=True))
    made = Footprint(free, taps, max(strides[:lanes]))
    inner = [s for s in free if 0 < s <= made.lane]
    if not inner or any(s >= made.lane for s, _ in taps):
        return None
    return made if taps or min(inner) > 1 else None


@cache
def depth_tile(depth: tuple[int, ...], lanes: int, partitions: int) -> tuple[int, ...]:
    """How much of each dimension of K one matmul contracts: of the first `lanes`, or of all (0)."""
    if not lanes:
        return tile_shape(depth, partitions)
    return (*tile_shape(depth[:lanes], partitions), *(1 for _ in depth[lanes:]))
