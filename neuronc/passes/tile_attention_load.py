"""Bring one head's queries, keys and values on chip, and its result off.

Queries and keys lie with their depth on the partitions, as the first contraction wants it; what is
contiguous in depth is loaded in long runs and transposed on the tensor engine. Values lie as they
are, 128 keys on the partitions and the tiles of keys side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from xdsl.ir import SSAValue

from neuronc.dialects.access import Affine
from neuronc.dtypes import ElementType
from neuronc.hardware import Generation
from neuronc.passes.attention_plan import Chunk, Plan, RowTile, bank_columns, parts_of
from neuronc.passes.attention_space import DEPTH, KEYS, ROWS, WIDTH, Space
from neuronc.passes.body import Body
from neuronc.passes.builder import Builder, Operand, Ref
from neuronc.passes.iteration import Tile


@dataclass(frozen=True)
class _Part:
    """Some rows: the column they get, and where they lie (start and count of each dimension)."""

    column: int
    starts: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def size(self) -> int:
        return prod(self.counts)


class Loader:
    """Moves operands between HBM and the blocks of one head."""

    def __init__(
        self,
        body: Body,
        builder: Builder,
        hw: Generation,
        space: Space,
        kinds: tuple[ElementType, ElementType],
    ) -> None:
        self._body, self._b, self._hw, self._space = body, builder, hw, space
        self._kind, self._value_kind = kinds
        self._width = space.extent(WIDTH)
        self._parts = parts_of(space.extent(DEPTH), hw.partitions)
        self._queries: list[Ref] = []
        self._keys: list[Ref] = []
        self._values: Ref | None = None
        self._turn = 0

    def head(self, batch: tuple[Affine, ...], plan: Plan, psum: Sequence[tuple[Ref, int]]) -> None:
        """Load everything of one head."""
        tile = plan.key_tile
        keys = _linear(self._space.extent(KEYS), tile)
        rows = [_Part(t.column, t.starts, t.counts) for t in plan.tiles]
        if len(self._space.extents(ROWS)) == 1:
            rows = _linear(self._space.extent(ROWS), tile)
        self._keys = self._turned("k", KEYS, keys, batch, psum)
        self._queries = self._turned("q", ROWS, rows, batch, psum)
        self._values = self._plain("v", KEYS, keys, batch, WIDTH, self._value_kind)

    def multiply(self, psum: Ref, tile: RowTile, chunk: Chunk, columns: int) -> None:
        """Scores of a tile of queries and a chunk of keys: a bank at a time."""
        for at in range(0, chunk.count, columns):
            count = min(columns, chunk.count - at)
            dst = psum.at(at, ((1, count),), 0, tile.size)
            for i, (_, lanes) in enumerate(self._parts):
                queries = self._queries[i].at(tile.column, ((1, tile.size),), 0, lanes)
                keys = self._keys[i].at(chunk.start + at, ((1, count),), 0, lanes)
                self._b.matmul(dst, queries, keys, () if i == 0 else None)

    def values(self, start: int, count: int) -> Operand:
        """The values of one tile of keys."""
        assert self._values is not None
        column = start // self._hw.partitions * self._width
        return self._values.at(column, ((1, self._width),), 0, count)

    def store(self, out: Ref, tile: RowTile, batch: tuple[Affine, ...], buffer: SSAValue) -> None:
        """Write the result of a tile of queries."""
        part = _Part(0, tile.starts, tile.counts)
        self._move(out, 0, part, ("out", ROWS, WIDTH), batch, buffer, store=True)

    def _turned(
        self,
        key: str,
        group: int,
        rows: list[_Part],
        batch: tuple[Affine, ...],
        psum: Sequence[tuple[Ref, int]],
    ) -> list[Ref]:
        """Rows with their depth on the partitions, one block for each part of it."""
        size = sum(r.size for r in rows)
        refs = [self._b.alloc(n, size, self._kind) for _, n in self._parts]
        depth, free = self._space.stride(key, DEPTH), self._space.strides(key, group)
        if depth != 1 and len(free) == 1 and free[0] == 1:
            base = self._space.offset(key, batch)
            for ref, (start, lanes) in zip(refs, self._parts, strict=True):
                window = (self._buffer(key), base + start * depth, depth)
                self._b.transfer(ref, Affine(), (0, lanes), window, ((1, size),), False)
            return refs
        natural = self._plain(key, group, rows, batch, DEPTH, self._kind)
        room = bank_columns(self._kind, self._hw) // len(psum) // self._hw.partitions
        for first in range(0, len(rows), room):
            for ref, part in zip(refs, self._parts, strict=True):
                self._transpose(
                    ref, part, natural, rows, range(first, min(first + room, len(rows))), psum
                )
        return refs

    def _transpose(
        self,
        ref: Ref,
        part: tuple[int, int],
        natural: Ref,
        rows: list[_Part],
        which: range,
        psum: Sequence[tuple[Ref, int]],
    ) -> None:
        """A bank of transposes, copied to their columns at once."""
        bank, at = psum[self._turn % len(psum)]
        self._turn += 1
        depth, (start, lanes) = self._space.extent(DEPTH), part
        column = rows[which[0]].column
        for i in which:
            size = rows[i].size
            dst = bank.at(at + rows[i].column - column, ((1, size),), 0, lanes)
            src = natural.at(i * depth + start, ((1, lanes),), 0, size)
            self._b.transpose(dst, src)
        pairs = ((1, sum(rows[i].size for i in which)),)
        self._b.cast(ref.at(column, pairs, 0, lanes), bank.at(at, pairs, 0, lanes))

    def _plain(
        self,
        key: str,
        group: int,
        rows: list[_Part],
        batch: tuple[Affine, ...],
        inner: int,
        kind: ElementType,
    ) -> Ref:
        """Rows on the partitions, tile beside tile."""
        width = self._space.extent(inner)
        ref = self._b.alloc(max(r.size for r in rows), len(rows) * width, kind)
        buffer, free = self._buffer(key), self._space.strides(key, group)
        whole = [r for r in rows if r.size == rows[0].size] if len(free) == 1 else []
        if len(whole) > 1:
            base, step = self._space.offset(key, batch), free[0]
            tile = rows[0].size
            pairs = ((tile * step, len(whole)), (self._space.stride(key, inner), width))
            self._b.transfer(ref, Affine(), (0, tile), (buffer, base, step), pairs, False)
        for i, part in enumerate(rows):
            if len(whole) < 2 or i >= len(whole):
                self._move(ref, i * width, part, (key, group, inner), batch, buffer, store=False)
        return ref

    def _move(
        self,
        ref: Ref,
        column: int,
        part: _Part,
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
            self._b.transfer(ref, Affine(column), (start, count), window, free, store)

    def _buffer(self, key: str) -> SSAValue:
        source = self._space.accesses[key].source
        assert source is not None
        return self._body.buffers[source]


def _linear(extent: int, tile: int) -> list[_Part]:
    """One dimension cut into tiles."""
    return [_Part(s, (s,), (min(tile, extent - s),)) for s in range(0, extent, tile)]
