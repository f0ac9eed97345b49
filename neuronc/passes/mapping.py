"""Frames of a map kernel: how a tile covers full values and rows of its space (`space.py`).

A value that does not change along the free dimensions is one column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod

from xdsl.ir import SSAValue

from neuronc.dialects.access import Affine
from neuronc.passes.budget import BLOCK_COLUMNS
from neuronc.passes.iteration import Load, Strided, Tile, merge_pairs
from neuronc.passes.operand import Ref

Kind = str
FULL, ROW, ONE, WINDOWS = "full", "row", "one", "windows"
"""What a block holds: each element, one a row, one; or what the windows of its rows cover."""
LANES, FREE, REDUCED = range(3)
"""Classes of dimensions: on the partitions because of what resides, free to lie there, removed."""


@dataclass
class Frame:
    """The tile being emitted: its extent, and the blocks that hold values so far."""

    partitions: int
    rows: int
    columns: int
    blocks: dict[Load | SSAValue, tuple[Ref, Kind]] = field(
        default_factory=dict[Load | SSAValue, tuple[Ref, Kind]]
    )
    targets: dict[SSAValue, Ref] = field(default_factory=dict[SSAValue, Ref])
    """Where full results go that stay on chip."""

    def width(self, kind: Kind) -> int:
        """Columns of a block of this kind."""
        return {FULL: self.rows * self.columns, ROW: self.rows, ONE: 1}[kind]

    def pairs(self, kind: Kind, level: Kind) -> tuple[tuple[int, int], ...]:
        """How a block of `kind` is walked by an op at `level`: [P, rows, columns] or [P, rows]."""
        if level == ROW:
            return ((1 if kind == ROW else 0, self.rows),)
        step = {FULL: (self.columns, 1), ROW: (1, 0), ONE: (0, 0)}[kind]
        return (step[0], self.rows), (step[1], self.columns)


@dataclass(frozen=True)
class Position:
    """Where a block of rows lies in the collapsed space."""

    on_partitions: int | None
    start: Affine
    partitions: int
    free: list[int]
    starts: tuple[Affine, ...]
    taken: tuple[int, ...]

    def tile(self, rank: int, columns: list[int], starts: list[Affine], taken: list[int]) -> Tile:
        """The whole tile; the partition dimension keeps count 1 as it is walked apart."""
        at, counts = [Affine()] * rank, [1] * rank
        for d, start, count in zip(self.free, self.starts, self.taken, strict=True):
            at[d], counts[d] = start, count
        for d, start, count in zip(columns, starts, taken, strict=True):
            at[d], counts[d] = start, count
        if self.on_partitions is not None:
            at[self.on_partitions] = self.start
        return RowTile(tuple(at), tuple(counts), self.on_partitions, frozenset(columns))


@dataclass(frozen=True)
class RowTile(Tile):
    """A tile that knows which dimension lies on the partitions and which are reduced."""

    on_partitions: int | None
    columns: frozenset[int]


def narrowest(access: Strided, tile: Tile, level: Kind, reduces: bool) -> Kind:
    """The smallest block that holds every distinct element of a load."""
    assert isinstance(tile, RowTile)
    walked = [d for d, n in enumerate(tile.counts) if n > 1 and access.strides[d]]
    if level == FULL and any(d in tile.columns for d in walked):
        return FULL
    if not walked:
        return ONE
    return ROW if level == ROW or reduces else FULL


def split(access: Strided, tile: Tile, kind: Kind) -> tuple[int, tuple[tuple[int, int], ...]]:
    """The step between partitions, and the free pairs that fill a block of this kind."""
    assert isinstance(tile, RowTile)
    p = tile.on_partitions
    step = access.strides[p] if p is not None else 0
    left_out = {FULL: frozenset[int](), ROW: tile.columns, ONE: range(len(tile.counts))}[kind]
    free = [
        (access.strides[d], n) for d, n in enumerate(tile.counts) if d != p and d not in left_out
    ]
    return step, merge_pairs(free)


def partition_dimension(sizes: Sequence[int], kept: int, partitions: int) -> int | None:
    """The kept dimension that fills the partitions best, but not the contiguous one if it can."""
    if not kept or (kept == 1 and len(sizes) == 1 and sizes[0] <= 2 * BLOCK_COLUMNS):
        return None

    def fill(d: int) -> float:
        contiguous = d == len(sizes) - 1
        return min(sizes[d], partitions) * (0.25 if contiguous else 1.0)

    return max(range(kept), key=fill)


def line_columns(size: int, widest: int, partitions: int) -> int:
    """Columns for a line of `size` elements folded onto the partitions: a divisor if near."""
    target = max(1, min(widest, -(-size // partitions)))
    for columns in range(target, max(target // 2, 1), -1):
        if size % columns == 0:
            return columns
    return target


def fold_factor(sizes: Sequence[int], at: int | None, columns: int, partitions: int) -> int:
    """How many neighbours along the partition dimension may share a partition's columns.

    Short rows (three channels, say) leave a block nearly empty; folding fills it, as long as the
    partitions stay full.
    """
    if at is None:
        return 1
    room = columns // max(1, prod(n for d, n in enumerate(sizes) if d != at))
    most = min(room, sizes[at] // partitions)
    return next((f for f in range(most, 1, -1) if sizes[at] % f == 0), 1)


def fold(access: Strided, at: int, factor: int) -> Strided:
    """The access over a space whose dimension `at` is split into (outer, factor)."""
    step = access.strides[at]
    strides = (*access.strides[:at], step * factor, step, *access.strides[at + 1 :])
    return replace(access, strides=strides)
