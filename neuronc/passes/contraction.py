"""A contraction as a space of four classes of dimensions, and the parts a tile takes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from xdsl.ir import SSAValue

from neuronc.dialects.access import Affine
from neuronc.passes.builder import Builder
from neuronc.passes.footprint import Footprint, footprint_of
from neuronc.passes.iteration import Load, Strided, Tile
from neuronc.passes.operand import Ref
from neuronc.passes.transfer import transfer, write_numbers

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

    def size(self, group: int) -> int:
        """How many indices the class has."""
        return prod(self.extents(group))

    def strides(self, access: Strided, group: int) -> list[int]:
        """An access's strides over them."""
        return [access.strides[d] for d in self.of(group)]

    def within(self, tile: Tile, access: Strided, group: int) -> Affine:
        """Elements from the start of one class of dimensions to the start of a tile of it."""
        return tile.offset(self.strides(access, group))

    def operand(self, group: int) -> Strided:
        """The operand that has this class of free dimensions."""
        return self.lhs if group == ROWS else self.rhs

    def is_transposed(self, group: int) -> bool:
        """Whether an operand is contiguous along K, so that its rows go onto the partitions."""
        access = self.operand(group)
        depth, free = self.strides(access, DEPTH), self.strides(access, group)
        return bool(depth) and depth[-1] == 1 and not (free and free[-1] == 1)

    def footprint(self, group: int, lanes: int) -> Footprint | None:
        """What the windows of an operand cover with so many dimensions of K on the partitions."""
        access = self.operand(group)
        free, depth = self.strides(access, group), self.strides(access, DEPTH)
        return footprint_of(tuple(free), tuple(depth), tuple(self.extents(DEPTH)), lanes)


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

    def part(self, starts: Sequence[Affine], taken: tuple[int, ...]) -> Side:
        """A part of it, from `starts` within it."""
        at = tuple(a + b for a, b in zip(self.starts, starts, strict=True))
        return Side(self.access, self.group, at, taken)


@dataclass(frozen=True)
class OutTile:
    """One tile of the result: one side's indices on the partitions, the other's along the line."""

    problem: Problem
    batch: Tile
    lanes: Side
    line: Side

    def offset(self, access: Strided) -> Affine:
        """Where the tile starts in a buffer."""
        q = self.problem
        start = q.within(self.batch, access, BATCH)
        for side in (self.lanes, self.line):
            start = start + q.within(side.tile, access, side.group)
        return start + access.offset

    def is_narrow(self, access: Strided) -> bool:
        """Whether the access is the same all along the line."""
        return not any(self.problem.strides(access, self.line.group))

    def transfer(self, b: Builder, ref: Ref, access: Strided, columns: int, store: bool) -> None:
        """DMA between the block [lanes, line] and the buffer of `access`."""
        assert access.source is not None
        base = self.offset(access)
        for start, count, shift, step in self._pieces(access):
            window = (access.source, base + shift, step)
            transfer(b, ref, Affine(), (start, count), window, self._free(access, columns), store)

    def number(self, b: Builder, ref: Ref, access: Strided, columns: int) -> None:
        """Fill the block with the iota that `access` describes."""
        base = self.offset(access)
        for start, count, shift, step in self._pieces(access):
            write_numbers(b, ref, (start, count), base + shift, step, self._free(access, columns))

    def window(self, b: Builder, access: Strided, columns: int) -> Ref | None:
        """The tile within a buffer that is on chip, if it lies there as the tile does."""
        assert access.source is not None
        pieces = self._pieces(access)
        if len(pieces) != 1:
            return None
        ((_, count, shift, step),) = pieces
        free = self._free(access, columns)
        return b.residents.window(
            access.source, self.offset(access) + shift, (0, count), step, free
        )

    def _pieces(self, access: Strided) -> list[tuple[int, int, int, int]]:
        return list(self.lanes.tile.pieces(self.problem.strides(access, self.lanes.group)))

    def _free(self, access: Strided, columns: int) -> tuple[tuple[int, int], ...]:
        if columns == 1:
            return ()
        return self.line.tile.pairs(self.problem.strides(access, self.line.group))


def divided(value: Affine, by: int) -> Affine:
    """An affine number of tiles, from the start of the first."""
    return Affine(value.constant // by, tuple(c // by for c in value.coefficients))


def cut(taken: Sequence[int], tile: Sequence[int]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Cut a block into tiles: (starts, counts) of each, as numbers."""
    pieces: list[tuple[tuple[int, ...], tuple[int, ...]]] = [((), ())]
    for extent, step in zip(taken, tile, strict=True):
        cuts = [(s, min(step, extent - s)) for s in range(0, extent, step)]
        pieces = [((*a, s), (*c, n)) for a, c in pieces for s, n in cuts]
    return pieces


def grow(extents: Sequence[int], tile: Sequence[int], tiles: int) -> tuple[int, ...]:
    """A block of at most `tiles` tiles: more of the inner dimensions first."""
    block, left = list(tile), max(tiles, 1)
    for d in range(len(block) - 1, -1, -1):
        most = -(-extents[d] // tile[d])
        taken = min(left, most)
        block[d] = min(tile[d] * taken, extents[d])
        if taken < most:
            break
        left //= most
    return tuple(block)


def linear(extents: Sequence[int], index: Sequence[int]) -> int:
    """Row-major position of an index."""
    return sum(i * prod(extents[d + 1 :]) for d, i in enumerate(index))


def linear_affine(extents: Sequence[int], index: Sequence[Affine]) -> Affine:
    """Row-major position of an index that depends on loops."""
    total = Affine()
    for d, start in enumerate(index):
        total = total + start * prod(extents[d + 1 :])
    return total


def within(extents: Sequence[int], counts: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """The pairs that walk a part of a dense block."""
    strides = [prod(extents[d + 1 :]) for d in range(len(extents))]
    return Tile((Affine(),) * len(counts), tuple(counts)).pairs(strides) or ((1, 1),)
