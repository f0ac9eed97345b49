"""Bring the operands of a contraction on chip, with K on the partitions.

An operand whose K is contiguous in HBM is loaded with its other dimension on the partitions, in
long runs, and transposed on the tensor engine; the other kind is loaded as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod

from xdsl.ir import SSAValue

from neuronc.dialects.access import Affine
from neuronc.dtypes import ElementType
from neuronc.hardware import Generation
from neuronc.passes.builder import Builder, Operand, Ref
from neuronc.passes.contraction import BATCH, DEPTH, Problem, Side, cut, linear, within
from neuronc.passes.iteration import Strided, Tile, tile_shape


@dataclass(frozen=True)
class Depth:
    """One tile of K: where it is, how far it reaches, and when it is the first."""

    tile: Tile
    slot: Affine
    """Number of the tile among all of K."""
    first: tuple[int, ...] | None
    """Loops that are at their start in the very first tile; None for later remainders."""

    @property
    def size(self) -> int:
        """Partitions the tile takes."""
        return self.tile.size


@dataclass(frozen=True)
class Columns:
    """The columns that one K tile of an operand fills."""

    ref: Ref
    base: Affine
    partitions: int

    def at(self, shift: int, pairs: tuple[tuple[int, int], ...]) -> Operand:
        """Some of the columns."""
        return self.ref.at(self.base + shift, pairs, 0, self.partitions)


Staged = Callable[[Depth], Columns]
"""Loads (or finds) the columns of a K tile."""


@dataclass(frozen=True)
class Stage:
    """Loads operands for one index of the batch."""

    builder: Builder
    hw: Generation
    problem: Problem
    batch: tuple[Affine, ...]
    kind: ElementType
    buffers: Mapping[SSAValue, SSAValue]

    @property
    def _tile(self) -> tuple[int, ...]:
        return tile_shape(self.problem.extents(DEPTH), self.hw.partitions)

    @property
    def _tiles(self) -> tuple[int, ...]:
        extents = self.problem.extents(DEPTH)
        return tuple(-(-n // t) for n, t in zip(extents, self._tile, strict=True))

    def fits(self, width: int) -> bool:
        """Whether `width` columns of every K tile may stay on chip."""
        room = self.hw.sbuf_bytes_per_partition // 4
        return prod(self._tiles) * width * self.kind.bytes <= room

    def depth(self) -> Iterator[Depth]:
        """Open the loops over K: the rolled tiles first, then the remainders."""
        for starts, counts in self.builder.nest(self.problem.extents(DEPTH), self._tile):
            slot = Affine()
            for d, start in enumerate(starts):
                step = self._tile[d]
                whole = tuple(c // step for c in start.coefficients)
                number = Affine(start.constant // step, whole)
                slot = slot + number * prod(self._tiles[d + 1 :])
            loops = {i for s in starts for i, c in enumerate(s.coefficients) if c}
            later = any(s.constant for s in starts)
            yield Depth(Tile(starts, counts), slot, None if later else tuple(sorted(loops)))

    def load_all(self, side: Side) -> Staged:
        """Load every K tile of one operand, to stay."""
        partitions = prod(self._tile)
        ref = self.builder.alloc(partitions, prod(self._tiles) * side.size, self.kind)
        load = self.prepare(side, ref)
        for k in self.depth():
            load(k)
        return lambda k: Columns(ref, k.slot * side.size, k.size)

    def prepare(self, side: Side, resident: Ref | None = None) -> Staged:
        """Return what loads one K tile of `side`, into its slot of `resident` if given.

        Rows that will be transposed are loaded for all of K at once where that fits.
        """

        def target(k: Depth) -> Columns:
            if resident is not None:
                return Columns(resident, k.slot * side.size, k.size)
            return Columns(self.builder.alloc(k.size, side.size, self.kind), Affine(), k.size)

        if not self._is_transposed(side):
            return lambda k: self._direct(side, k, target(k))
        pieces = cut(side.taken, tile_shape(side.taken, self.hw.partitions))
        whole = Tile((Affine(),) * len(self._tile), tuple(self.problem.extents(DEPTH)))
        if whole.size * self.kind.bytes * len(pieces) > self.hw.sbuf_bytes_per_partition // 8:
            return lambda k: self._transposed(side, k, target(k), pieces, None)
        rows = [self._rows(side, starts, counts, whole) for starts, counts in pieces]
        return lambda k: self._transposed(side, k, target(k), pieces, rows)

    def _is_transposed(self, side: Side) -> bool:
        """Whether K is contiguous in HBM, so that rows are loaded onto the partitions."""
        depth = self.problem.strides(side.access, DEPTH)
        free = self.problem.strides(side.access, side.group)
        contiguous = bool(depth) and depth[-1] == 1
        return contiguous and not (side.taken and free[-1] == 1 and side.taken[-1] > 1)

    def _direct(self, side: Side, k: Depth, columns: Columns) -> Columns:
        """K onto the partitions by DMA."""
        q, access = self.problem, side.access
        free = side.tile.pairs(q.strides(access, side.group))
        base = self._offset(side, side.tile, k.tile)
        for start, count, shift, step in k.tile.pieces(q.strides(access, DEPTH)):
            window = (self._buffer(access), base + shift, step)
            self.builder.transfer(columns.ref, columns.base, (start, count), window, free, False)
        return columns

    def _rows(
        self, side: Side, starts: tuple[int, ...], counts: tuple[int, ...], depth: Tile
    ) -> Ref:
        """Some rows over a tile of K: rows on the partitions, K along the columns."""
        q, access = self.problem, side.access
        ref = self.builder.alloc(prod(counts), depth.size, self.kind)
        rows = Tile(tuple(a + b for a, b in zip(side.starts, starts, strict=True)), counts)
        base = self._offset(side, rows, depth)
        free = depth.pairs(q.strides(access, DEPTH))
        for start, count, shift, step in rows.pieces(q.strides(access, side.group)):
            window = (self._buffer(access), base + shift, step)
            self.builder.transfer(ref, Affine(), (start, count), window, free, False)
        return ref

    def _transposed(
        self,
        side: Side,
        k: Depth,
        columns: Columns,
        pieces: list[tuple[tuple[int, ...], tuple[int, ...]]],
        rows: list[Ref] | None,
    ) -> Columns:
        """Rows through the tensor engine onto the partitions of a PSUM bank, then to SBUF."""
        psum = self.builder.alloc(k.size, side.size, self.kind, "psum")
        extents = self.problem.extents(DEPTH) if rows else k.tile.counts
        strides = [prod(extents[d + 1 :]) for d in range(len(extents))]
        shift = k.tile.offset(strides) if rows else Affine()
        for i, (starts, counts) in enumerate(pieces):
            block = rows[i] if rows else self._rows(side, starts, counts, k.tile)
            # A tile of several rows of a larger block is a strided part of the columns.
            dst = psum.at(linear(side.taken, starts), within(side.taken, counts), 0, k.size)
            self.builder.transpose(dst, block.at(shift, within(extents, k.tile.counts)))
        self.builder.cast(columns.at(0, ((1, side.size),)), psum.all())
        return columns

    def _offset(self, side: Side, free: Tile, depth: Tile) -> Affine:
        q, access = self.problem, side.access
        batch = q.within(Tile(self.batch, (1,) * len(self.batch)), access, BATCH)
        return (
            batch
            + q.within(free, access, side.group)
            + q.within(depth, access, DEPTH)
            + (access.offset)
        )

    def _buffer(self, access: Strided) -> SSAValue:
        assert access.source is not None
        return self.buffers[access.source]
