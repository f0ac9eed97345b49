"""A contraction as a space of four classes of dimensions, and the parts a tile takes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from xdsl.ir import SSAValue

from neuronc.dialects.access import Affine
from neuronc.passes.builder import Builder, Ref
from neuronc.passes.iteration import Load, Strided, Tile

BATCH, ROWS, COLUMNS, DEPTH = range(4)
"""The classes of dimensions: batch, M, N and K."""


@dataclass(frozen=True)
class Problem:
    """A contraction over collapsed dimensions; every access strides over all of them."""

    sizes: tuple[int, ...]
    groups: tuple[int, ...]
    lhs: Strided
    rhs: Strided
    others: dict[Load | SSAValue, Strided]
    """What the epilogue loads and stores."""

    def of(self, group: int) -> list[int]:
        """The dimensions of one class, outermost first."""
        return [d for d, g in enumerate(self.groups) if g == group]

    def extents(self, group: int) -> list[int]:
        """Their sizes."""
        return [self.sizes[d] for d in self.of(group)]

    def strides(self, access: Strided, group: int) -> list[int]:
        """An access's strides over them."""
        return [access.strides[d] for d in self.of(group)]

    def within(self, tile: Tile, access: Strided, group: int) -> Affine:
        """Elements from the start of one class of dimensions to the start of a tile of it."""
        return tile.offset(self.strides(access, group))


@dataclass(frozen=True)
class Side:
    """One operand over one tile of its free dimensions."""

    access: Strided
    group: int
    starts: tuple[Affine, ...]
    taken: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many columns it fills once K lies on the partitions."""
        return prod(self.taken)

    @property
    def tile(self) -> Tile:
        """The tile of the free dimensions."""
        return Tile(self.starts, self.taken)


@dataclass(frozen=True)
class OutTile:
    """One tile of the result: rows on the partitions, columns free."""

    problem: Problem
    batch: Tile
    rows: Tile
    columns: Tile

    def offset(self, access: Strided) -> Affine:
        """Where the tile starts in a buffer."""
        q = self.problem
        start = q.within(self.batch, access, BATCH) + q.within(self.rows, access, ROWS)
        return start + q.within(self.columns, access, COLUMNS) + access.offset

    def transfer(self, b: Builder, ref: Ref, access: Strided, columns: int, store: bool) -> None:
        """DMA between the block [rows, columns] and the buffer of `access`."""
        assert access.source is not None
        free = self.columns.pairs(self.problem.strides(access, COLUMNS)) if columns > 1 else ()
        base = self.offset(access)
        for start, count, shift, step in self.rows.pieces(self.problem.strides(access, ROWS)):
            window = (access.source, base + shift, step)
            b.transfer(ref, Affine(), (start, count), window, free, store)

    def number(self, b: Builder, ref: Ref, access: Strided, columns: int) -> None:
        """Fill the block with the iota that `access` describes."""
        free = self.columns.pairs(self.problem.strides(access, COLUMNS)) if columns > 1 else ()
        base = self.offset(access)
        for start, count, shift, step in self.rows.pieces(self.problem.strides(access, ROWS)):
            b.number(ref, (start, count), base + shift, step, free)


def cut(taken: Sequence[int], tile: Sequence[int]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Cut a block into tiles: (starts, counts) of each, as numbers."""
    pieces: list[tuple[tuple[int, ...], tuple[int, ...]]] = [((), ())]
    for extent, step in zip(taken, tile, strict=True):
        cuts = [(s, min(step, extent - s)) for s in range(0, extent, step)]
        pieces = [((*a, s), (*c, n)) for a, c in pieces for s, n in cuts]
    return pieces


def linear(extents: Sequence[int], index: Sequence[int]) -> int:
    """Row-major position of an index."""
    return sum(i * prod(extents[d + 1 :]) for d, i in enumerate(index))


def within(extents: Sequence[int], counts: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """The pairs that walk a part of a dense block."""
    strides = [prod(extents[d + 1 :]) for d in range(len(extents))]
    return Tile((Affine(),) * len(counts), tuple(counts)).pairs(strides) or ((1, 1),)
