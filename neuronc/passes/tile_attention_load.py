"""Bring one head's queries, keys and values on chip, and its result off.

Queries and keys lie with their depth on the partitions, as the first contraction wants it; what is
contiguous in depth is loaded in long runs and transposed on the tensor engine. Values lie as they
are, 128 keys on the partitions and the tiles of keys side by side; where the order of keys does not
matter, a partition takes neighbours, so that a run of HBM is several of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from xdsl.ir import SSAValue

from neuronc.dialects.access import Affine
from neuronc.dialects.tile import CastOp
from neuronc.dtypes import ElementType
from neuronc.hardware import Generation
from neuronc.passes.attention_plan import Chunk, Plan, RowTile, bank_columns, parts_of
from neuronc.passes.attention_space import DEPTH, KEYS, ROWS, WIDTH, Space
from neuronc.passes.body import Body
from neuronc.passes.builder import Builder
from neuronc.passes.iteration import Tile, merge_pairs
from neuronc.passes.operand import Operand, Ref
from neuronc.passes.transfer import transfer


@dataclass(frozen=True)
class Rows:
    """Some rows of a head: the column they get, and where they lie."""

    column: int
    starts: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many there are."""
        return prod(self.counts)


@dataclass(frozen=True)
class Head:
    """The blocks of one head; queries and keys are filled by `Loader.turn`."""

    batch: tuple[Affine, ...]
    queries: list[Ref]
    keys: list[Ref]
    values: Ref
    untransposed: tuple[Ref | None, Ref | None]
    """Queries and keys as they were loaded, where they are not in place."""


class Loader:
    """Moves operands between HBM and the blocks of one head."""

    def __init__(
        self,
        body: Body,
        builder: Builder,
        hw: Generation,
        space: Space,
        plan: Plan,
        kinds: tuple[ElementType, ElementType],
    ) -> None:
        self._body, self._b, self._hw, self._space = body, builder, hw, space
        self._kind, self._value_kind = kinds
        self._width = space.extent(WIDTH)
        self._parts = parts_of(space.extent(DEPTH), hw.partitions)
        self._turns = 0
        self._together = plan.together
        self._key_rows = _linear(space.extent(KEYS), plan.key_tile)
        self._rows = [Rows(t.column, t.starts, t.counts) for t in plan.tiles]
        if len(space.extents(ROWS)) == 1:
            self._rows = _linear(space.extent(ROWS), plan.key_tile)

    def load(self, batch: tuple[Affine, ...]) -> Head:
        """Load everything of one head."""
        keys, untransposed_keys = self._deep("k", KEYS, self._key_rows, batch)
        queries, untransposed = self._deep("q", ROWS, self._rows, batch)
        values = self._plain("v", KEYS, self._key_rows, batch, WIDTH, self._value_kind)
        return Head(batch, queries, keys, values, (untransposed, untransposed_keys))

    def turn(self, head: Head, psum: Sequence[tuple[Ref, int]]) -> None:
        """Transpose what has to be."""
        queries, keys = head.untransposed
        if keys is not None:
            self._transpose(head.keys, keys, self._key_rows, psum)
        if queries is not None:
            self._transpose(head.queries, queries, self._rows, psum)

    def multiply(self, head: Head, psum: Ref, tile: RowTile, chunk: Chunk) -> None:
        """Scores of a tile of queries and a chunk of keys: a bank at a time."""
        columns = self._hw.matmul_columns_max
        for at in range(0, chunk.count, columns):
            count = min(columns, chunk.count - at)
            dst = psum.at(at, ((1, count),), 0, tile.size)
            for i, (_, lanes) in enumerate(self._parts):
                queries = head.queries[i].at(tile.column, ((1, tile.size),), 0, lanes)
                keys = head.keys[i].at(chunk.start + at, ((1, count),), 0, lanes)
                self._b.matmul(dst, queries, keys, () if i == 0 else None)

    def values(self, head: Head, start: int, count: int) -> Operand:
        """The values of one tile of keys."""
        column = start // self._hw.partitions * self._width
        return head.values.at(column, ((1, self._width),), 0, count)

    def store(self, out: Ref, tile: RowTile, batch: tuple[Affine, ...], buffer: SSAValue) -> None:
        """Write the result of a tile of queries."""
        part = Rows(0, tile.starts, tile.counts)
        self._move(out, 0, part, ("out", ROWS, WIDTH), batch, buffer, store=True)

    def _deep(
        self, key: str, group: int, rows: list[Rows], batch: tuple[Affine, ...]
    ) -> tuple[list[Ref], Ref | None]:
        """Blocks with the depth on the partitions, and what is to be transposed into them."""
        size = sum(r.size for r in rows)
        refs = [self._b.alloc(n, size, self._kind, held=True) for _, n in self._parts]
        depth, free = self._space.stride(key, DEPTH), self._space.strides(key, group)
        if depth == 1 or len(free) != 1 or free[0] != 1:
            return refs, self._plain(key, group, rows, batch, DEPTH, self._kind)
        base = self._space.offset(key, batch)
        for ref, (start, lanes) in zip(refs, self._parts, strict=True):
            window = (self._buffer(key), base + start * depth, depth)
            transfer(self._b, ref, Affine(), (0, lanes), window, ((1, size),), False)
        return refs, None

    def _transpose(
        self, refs: list[Ref], source: Ref, rows: list[Rows], psum: Sequence[tuple[Ref, int]]
    ) -> None:
        """Rows onto columns: some transposes, then one copy of them, by each engine in turn."""
        room = bank_columns(self._kind, self._hw) // len(psum) // self._hw.partitions
        depth = self._space.extent(DEPTH)
        for first in range(0, len(rows), room):
            some = rows[first : first + room]
            pairs = ((1, sum(r.size for r in some)),)
            for ref, (start, lanes) in zip(refs, self._parts, strict=True):
                bank, at = psum[self._turns % len(psum)]
                engine = ("vector", "scalar")[self._turns % 2]
                self._turns += 1
                for i, part in enumerate(some, first):
                    column = at + part.column - some[0].column
                    dst = bank.at(column, ((1, part.size),), 0, lanes)
                    block = source.at(i * depth + start, ((1, lanes),), 0, part.size)
                    self._b.transpose(dst, block)
                target = ref.at(some[0].column, pairs, 0, lanes)
                self._b.append(CastOp, (target, bank.at(at, pairs, 0, lanes)), engine=engine)

    def _plain(
        self,
        key: str,
        group: int,
        rows: list[Rows],
        batch: tuple[Affine, ...],
        inner: int,
        kind: ElementType,
    ) -> Ref:
        """Rows on the partitions, tile beside tile."""
        width = self._space.extent(inner)
        ref = self._b.alloc(max(r.size for r in rows), len(rows) * width, kind, held=True)
        buffer, free = self._buffer(key), self._space.strides(key, group)
        whole = [r for r in rows if r.size == rows[0].size] if len(free) == 1 else []
        if len(whole) > 1:
            base, step = self._space.offset(key, batch), free[0]
            tile = rows[0].size
            beside = self._together if group == KEYS else 1
            pairs = (
                (tile * step * beside, len(whole) // beside),
                (step, beside),
                (self._space.stride(key, inner), width),
            )
            window = (buffer, base, step * beside)
            transfer(self._b, ref, Affine(), (0, tile), window, merge_pairs(pairs), False)
        for i, part in enumerate(rows):
            if len(whole) < 2 or i >= len(whole):
                self._move(ref, i * width, part, (key, group, inner), batch, buffer, store=False)
        return ref

    def _move(
        self,
        ref: Ref,
        column: int,
        part: Rows,
        access: tuple[str, int, int],
        batch: tuple[Affine, ...],
        buffer: SSAValue,
        store: bool,
    ) -> None:
        """One tile of rows between its columns and a buffer."""
        key, group, inner = access
        space = self._space
        strides = space.strides(key, group)
        rows = Tile(tuple(Affine(s) for s in part.starts), part.counts)
        base = space.offset(key, batch) + rows.offset(strides)
        free = ((space.stride(key, inner), space.extent(inner)),)
        for start, count, shift, step in rows.pieces(strides):
            window = (buffer, base + shift, step)
            transfer(self._b, ref, Affine(column), (start, count), window, free, store)

    def _buffer(self, key: str) -> SSAValue:
        source = self._space.accesses[key].source
        assert source is not None
        return self._body.buffers[source]


def _linear(extent: int, tile: int) -> list[Rows]:
    """One dimension cut into tiles."""
    return [Rows(s, (s,), (min(tile, extent - s),)) for s in range(0, extent, tile)]
