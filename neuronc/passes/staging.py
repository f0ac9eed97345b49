"""Bring the operands of a contraction on chip, with K on the partitions.

An operand whose K is contiguous in HBM is loaded with its other dimension on the partitions, in
long runs, and transposed on the tensor engine; the other kind is loaded as it is. What one DMA
brings is a chunk: some tiles of K of some columns. An operand is held (all chunks loaded first, to
be read many times), streamed (a chunk at a time, as the loop over K needs it), or already there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from xdsl.ir import SSAValue

from neuronc.dialects.access import Affine
from neuronc.dtypes import ElementType
from neuronc.hardware import Generation
from neuronc.passes.builder import Builder
from neuronc.passes.contraction import (
    BATCH,
    DEPTH,
    Problem,
    Side,
    cut,
    grow,
    linear,
    linear_affine,
    within,
)
from neuronc.passes.footprint import depth_tile
from neuronc.passes.iteration import Strided, Tile, merge_pairs, tile_shape
from neuronc.passes.layout import Layout
from neuronc.passes.operand import Operand, Ref, shape_pairs
from neuronc.passes.transfer import transfer


@dataclass(frozen=True)
class Depth:
    """One tile of K, or a chunk of them: where it is, and when it is the first."""

    tile: Tile
    slot: Affine
    """Number of its first tile among all of K."""
    first: tuple[int, ...] | None
    """Loops that are at their start in the very first tile; None for later remainders."""

    @property
    def size(self) -> int:
        """Elements of K."""
        return self.tile.size


@dataclass(frozen=True)
class Columns:
    """The columns that one K tile of an operand fills."""

    ref: Ref
    base: Affine
    partitions: int
    steps: tuple[int, ...]
    """Columns from one index of each free dimension to the next."""

    def at(self, starts: Sequence[Affine | int], counts: Sequence[int]) -> Operand:
        """The columns of some indices of the free dimensions."""
        column = self.base
        for start, step in zip(starts, self.steps, strict=True):
            column = column + (start * step)
        pairs = merge_pairs(tuple(zip(self.steps, counts, strict=True))) or ((1, 1),)
        return self.ref.at(column, pairs, 0, self.partitions)


def dense_steps(taken: Sequence[int]) -> tuple[int, ...]:
    """The columns of a block without gaps."""
    return tuple(prod(taken[d + 1 :]) for d in range(len(taken)))


Staged = Callable[[Depth], Columns]
"""Finds the columns of a K tile."""
Supply = Callable[[Depth], Staged]
"""Loads (or finds) a chunk of K, and says where the columns of its tiles are."""
TURNED_PIECES = 4
"""Blocks of rows that are on chip together to be transposed: more take room, and save little."""
_Piece = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Stage:
    """Supplies operands for one index of the batch."""

    builder: Builder
    hw: Generation
    problem: Problem
    batch: tuple[Affine, ...]
    kind: ElementType
    buffers: Mapping[SSAValue, SSAValue]
    chunk: int = 1
    """K tiles that one DMA brings, of a single dimension of K."""
    lanes: int = 0
    """Dimensions of K that lie on the partitions; a chunk has all of the others. 0: see `_tile`."""

    @property
    def _tile(self) -> tuple[int, ...]:
        return depth_tile(tuple(self.problem.extents(DEPTH)), self.lanes, self.hw.partitions)

    @property
    def _tiles(self) -> tuple[int, ...]:
        extents = self.problem.extents(DEPTH)
        return tuple(-(-n // t) for n, t in zip(extents, self._tile, strict=True))

    @property
    def _chunk(self) -> tuple[int, ...]:
        """How much of each dimension of K a chunk has."""
        extents, tile = self.problem.extents(DEPTH), self._tile
        if self.lanes:
            return (*tile[: self.lanes], *extents[self.lanes :])
        if len(tile) == 1:
            return (tile[0] * min(self.chunk, self._tiles[0]),)
        return tile

    @property
    def lane_tile(self) -> tuple[int, ...]:
        """How much a matmul contracts of the dimensions of K that `lanes` names."""
        return self._tile[: self.lanes]

    @property
    def lane_tiles(self) -> tuple[int, ...]:
        """How many such tiles there are."""
        return self._tiles[: self.lanes]

    def chunks(self, whole: bool = False) -> Iterator[Depth]:
        """Open the loops over chunks of K; `whole` is all of K at once, without a loop."""
        extents = self.problem.extents(DEPTH)
        if whole:
            yield self._depth((Affine(),) * len(extents), tuple(extents))
            return
        for starts, counts in self.builder.nest(extents, self._chunk):
            yield self._depth(starts, counts)

    def tiles(self, chunk: Depth) -> Iterator[Depth]:
        """Open the loops over the tiles of a chunk."""
        for starts, counts in self.builder.nest(chunk.tile.counts, self._tile):
            at = tuple(a + b for a, b in zip(chunk.tile.starts, starts, strict=True))
            yield self._depth(at, counts)

    def _depth(self, starts: tuple[Affine, ...], counts: tuple[int, ...]) -> Depth:
        slot = Affine()
        for d, start in enumerate(starts):
            step = self._tile[d]
            whole = tuple(c // step for c in start.coefficients)
            number = Affine(start.constant // step, whole)
            slot = slot + number * prod(self._tiles[d + 1 :])
        loops = {i for s in starts for i, c in enumerate(s.coefficients) if c}
        later = any(s.constant for s in starts)
        return Depth(Tile(starts, counts), slot, None if later else tuple(sorted(loops)))

    def hold(self, side: Side) -> Supply:
        """Load every chunk of one operand, to stay."""
        there = self._resident(side)
        if there is not None:
            return there
        extents = self.problem.extents(DEPTH)
        chunks = prod(-(-n // c) for n, c in zip(extents, self._chunk, strict=True))
        tiles = prod(-(-c // t) for c, t in zip(self._chunk, self._tile, strict=True))
        width = tiles * side.size
        ref = self.builder.alloc(prod(self._tile), chunks * width, self.kind, tiles=chunks)
        for chunk in self.chunks():
            self._load(side, chunk, ref, chunk.slot * side.size)
        steps = dense_steps(side.taken)
        return lambda _: lambda k: Columns(ref, k.slot * side.size, k.size, steps)

    def stream(self, side: Side) -> Supply:
        """Load a chunk where it is asked for."""
        there = self._resident(side)
        if there is not None:
            return there

        def supply(chunk: Depth) -> Staged:
            tiles = prod(-(-n // t) for n, t in zip(chunk.tile.counts, self._tile, strict=True))
            lanes = min(prod(self._tile), chunk.size)
            ref = self.builder.alloc(lanes, tiles * side.size, self.kind)
            self._load(side, chunk, ref, Affine())
            base, steps = chunk.slot * -side.size, dense_steps(side.taken)
            return lambda k: Columns(ref, k.slot * side.size + base, k.size, steps)

        return supply

    def _resident(self, side: Side) -> Supply | None:
        """What is on chip with K on the partitions needs no loading."""
        buffer = self.buffer(side.access)
        if self.builder.residents.layout_of(buffer) is None or self._is_transposed(side):
            return None
        (stride,) = self.problem.strides(side.access, DEPTH) or (0,)
        free = side.tile.pairs(self.problem.strides(side.access, side.group))

        def find(k: Depth) -> Columns:
            base = self.offset(side, side.tile, k.tile)
            ref = self.builder.residents.window(buffer, base, (0, k.size), stride, free)
            if ref is None:
                self.builder.residents.rejected.add(buffer)
                ref = self.builder.alloc(k.size, side.size, self.kind)
            return Columns(ref, Affine(), k.size, dense_steps(side.taken))

        return lambda _: find

    def _is_transposed(self, side: Side) -> bool:
        return is_turned(
            self.problem, side.group, self.builder.residents.layout_of(self.buffer(side.access))
        )

    def _load(self, side: Side, chunk: Depth, ref: Ref, base: Affine) -> None:
        """One chunk of some columns, to [K tile, column] from column `base`."""
        if self._is_transposed(side):
            self._transposed(side, chunk, ref, base)
        else:
            self._direct(side, chunk, ref, base)

    def _direct(self, side: Side, chunk: Depth, ref: Ref, base: Affine) -> None:
        """K onto the partitions by DMA: whole tiles at once, then the remainder."""
        if len(self._tile) != 1:
            for k in self.tiles(chunk):
                at = base + k.slot * side.size + chunk.slot * -side.size
                self._direct_tile(side, k, ref, at)
            return
        (tile,), (count,) = self._tile, chunk.tile.counts
        (stride,) = self.problem.strides(side.access, DEPTH)
        free = side.tile.pairs(self.problem.strides(side.access, side.group))
        whole, rest = divmod(count, tile)
        origin = self.offset(side, side.tile, chunk.tile)
        buffer = self.buffer(side.access)
        if whole:
            pairs = ((stride * tile, whole), *free) if whole > 1 else free
            transfer(self.builder, ref, base, (0, tile), (buffer, origin, stride), pairs, False)
        if rest:
            window = (buffer, origin + whole * tile * stride, stride)
            at = base + whole * side.size
            transfer(self.builder, ref, at, (0, rest), window, free, False)

    def _direct_tile(self, side: Side, k: Depth, ref: Ref, base: Affine) -> None:
        """One tile over several dimensions of K."""
        q, access = self.problem, side.access
        free = side.tile.pairs(q.strides(access, side.group))
        origin = self.offset(side, side.tile, k.tile)
        for start, count, shift, step in k.tile.pieces(q.strides(access, DEPTH)):
            window = (self.buffer(access), origin + shift, step)
            transfer(self.builder, ref, base, (start, count), window, free, False)

    def _transposed(self, side: Side, chunk: Depth, ref: Ref, base: Affine) -> None:
        """Rows through the tensor engine, as many as fill a bank of PSUM with their columns."""
        tile = tile_shape(side.taken, self.hw.partitions)
        bank = self.hw.psum_bank_bytes // self.kind.bytes
        group = grow(side.taken, tile, min(bank // prod(tile), TURNED_PIECES))
        for starts, counts in self.builder.nest(side.taken, group):
            part = side.part(starts, counts)
            pieces = cut(counts, tile_shape(counts, self.hw.partitions))
            rows = [self._rows(part, piece, chunk) for piece in pieces]
            shift = linear_affine(side.taken, starts)
            for k in self.tiles(chunk):
                at = base + k.slot * side.size + chunk.slot * -side.size + shift
                self._turn(part, k, chunk, pieces, rows)(ref, at, within(side.taken, counts))

    def _turn(
        self, part: Side, k: Depth, chunk: Depth, pieces: list[_Piece], rows: list[Ref]
    ) -> Callable[[Ref, Affine, tuple[tuple[int, int], ...]], None]:
        """Transpose one K tile of the rows into PSUM; returns what copies it to its place."""
        psum = self.builder.alloc(k.size, part.size, self.kind, "psum")
        extents = chunk.tile.counts
        strides = [prod(extents[d + 1 :]) for d in range(len(extents))]
        shift = k.tile.offset(strides) + chunk.tile.offset(strides) * -1
        for (starts, counts), block in zip(pieces, rows, strict=True):
            # A piece of a larger group is a strided part of the columns.
            dst = psum.at(linear(part.taken, starts), within(part.taken, counts), 0, k.size)
            self.builder.transpose(dst, block.at(shift, within(extents, k.tile.counts)))

        def place(ref: Ref, at: Affine, pairs: tuple[tuple[int, int], ...]) -> None:
            dense = shape_pairs([n for _, n in pairs])
            self.builder.cast(ref.at(at, pairs, 0, k.size), psum[dense])

        return place

    def _rows(self, part: Side, piece: _Piece, chunk: Depth) -> Ref:
        """Some rows over a chunk of K: rows on the partitions, K along the columns."""
        q, access = self.problem, part.access
        starts, counts = piece
        rows = part.part([Affine(s) for s in starts], counts)
        base = self.offset(part, rows.tile, chunk.tile)
        free = chunk.tile.pairs(q.strides(access, DEPTH))
        pieces = list(rows.tile.pieces(q.strides(access, part.group)))
        buffer = self.buffer(access)
        if len(pieces) == 1:
            ((_, count, shift, step),) = pieces
            there = self.builder.residents.window(buffer, base + shift, (0, count), step, free)
            if there is not None:
                return there
        ref = self.builder.alloc(prod(counts), chunk.size, self.kind)
        for start, count, shift, step in pieces:
            window = (buffer, base + shift, step)
            transfer(self.builder, ref, Affine(), (start, count), window, free, False)
        return ref

    def offset(self, side: Side, free: Tile, depth: Tile) -> Affine:
        """Where some tile of an operand starts in its buffer."""
        q, access = self.problem, side.access
        batch = q.within(Tile(self.batch, (1,) * len(self.batch)), access, BATCH)
        start = batch + q.within(free, access, side.group) + q.within(depth, access, DEPTH)
        return start + access.offset

    def buffer(self, access: Strided) -> SSAValue:
        """What an operand is read from."""
        assert access.source is not None
        return self.buffers[access.source]


def is_turned(problem: Problem, group: int, layout: Layout | None) -> bool:
    """Whether the rows of an operand lie on the partitions first, and must be transposed."""
    if layout is None:
        return problem.is_transposed(group)
    depth = problem.strides(problem.operand(group), DEPTH)
    return depth != [1 if layout.across else layout.columns]
