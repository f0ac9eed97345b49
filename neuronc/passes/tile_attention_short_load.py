"""Bring the queries, keys and values of several heads on chip, and their results off.

Rows lie on the partitions, the heads beside each other: where they are neighbours in HBM too, a
run is all of them. Queries and keys are transposed as many heads at a time as the partitions hold
the depths of; each head then reads its own partitions, which begin where a tile of the array may.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from xdsl.ir import SSAValue

from neuronc.dialects.access import Affine
from neuronc.dtypes import BY_NAME, ElementType
from neuronc.hardware import Generation
from neuronc.passes.attention_cost import heads_together
from neuronc.passes.attention_plan import Plan, bank_columns, parts_of
from neuronc.passes.attention_space import BATCH, DEPTH, KEYS, ROWS, WIDTH, Space
from neuronc.passes.body import Body
from neuronc.passes.builder import Builder
from neuronc.passes.iteration import Tile, merge_pairs
from neuronc.passes.operand import Operand, Ref
from neuronc.passes.tile_attention_load import Rows
from neuronc.passes.transfer import transfer

FLOAT = BY_NAME["f32"]
Box = tuple[tuple[Affine, ...], tuple[int, ...]]
"""Some heads: where they begin in the batch, and how many there are along each dimension."""


@dataclass(frozen=True)
class Heads:
    """What is loaded of a box of heads: rows on the partitions, (tile, head, inner) beside."""

    batch: tuple[Affine, ...]
    counts: tuple[int, ...]
    queries: Ref
    keys: Ref
    values: Ref


@dataclass(frozen=True)
class Turned:
    """[depth of `together` heads, sets of heads x rows], a block for each part of the depth."""

    parts: tuple[tuple[Ref, int], ...]
    """Each block, and the partitions that one head has of it."""
    together: int
    start: int
    step: int
    """Columns from one set of heads to the next."""

    def of(self, head: int, part: int, column: int, count: int) -> Operand:
        """Some columns of one head."""
        ref, lanes = self.parts[part]
        sets, lane = divmod(head, self.together)
        at = self.start + sets * self.step + column
        return ref.at(at, ((1, count),), lane * lanes, lanes)


@dataclass
class Banks:
    """PSUM of one run over some heads: blocks of each kind take turns."""

    builder: Builder
    scores: list[Ref]
    results: list[Ref]
    turned: list[Ref]
    taken: int = 0

    @staticmethod
    def of(builder: Builder, kind: ElementType, counts: tuple[int, int], hw: Generation) -> Banks:
        """So many banks of scores and of results, and of transposes."""
        one, many = counts

        def some(kind: ElementType, count: int) -> list[Ref]:
            columns = bank_columns(kind, hw)
            return [builder.alloc(hw.partitions, columns, kind, "psum") for _ in range(count)]

        return Banks(builder, some(FLOAT, one), some(FLOAT, one), some(kind, many))

    def transpose(self, ref: Ref, lanes: int, blocks: Sequence[tuple[Operand, int]]) -> None:
        """Blocks [rows, lanes] onto neighbouring columns: a bank of transposes, then one copy."""
        at = 0
        for bank in _banks([n for _, n in blocks], self.turned[0].columns):
            psum = self.turned[self.taken % len(self.turned)]
            self.taken += 1
            column = 0
            for block, n in (blocks[i] for i in bank):
                self.builder.transpose(psum.at(column, ((1, n),), 0, lanes), block)
                column += n
            pairs = ((1, column),)
            self.builder.cast(ref.at(at, pairs, 0, lanes), psum.at(0, pairs, 0, lanes))
            at += column


class ShortLoader:
    """Moves operands between HBM and the blocks of a box of heads."""

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
        self._depth, self._width = space.extent(DEPTH), space.extent(WIDTH)
        keys, tile = space.extent(KEYS), plan.key_tile
        self.key_rows = [Rows(s, (s,), (min(tile, keys - s),)) for s in range(0, keys, tile)]
        self.rows = [Rows(t.column, t.starts, t.counts) for t in plan.tiles]

    def load(self, batch: tuple[Affine, ...], counts: tuple[int, ...]) -> Heads:
        """Load everything of a box of heads."""
        keys = self._block("k", KEYS, self.key_rows, DEPTH, (batch, counts))
        queries = self._block("q", ROWS, self.rows, DEPTH, (batch, counts))
        values = self._block("v", KEYS, self.key_rows, WIDTH, (batch, counts))
        return Heads(batch, counts, queries, keys, values)

    def turn(self, heads: Heads, first: Affine, count: int, banks: Banks) -> tuple[Turned, Turned]:
        """Queries and keys of `count` heads from `first`, with their depth on the partitions."""
        together = heads_together(self._depth, count, self._hw)
        lanes = [(start, n * together) for start, n in parts_of(self._depth, self._hw.partitions)]
        sides = ((heads.queries, self.rows), (heads.keys, self.key_rows))
        sizes = [sum(r.size for r in rows) for _, rows in sides]
        sets = count // together
        parts = tuple(
            (self._b.alloc(n, sets * sum(sizes), self._kind), n // together) for _, n in lanes
        )
        for (start, n), (ref, _) in zip(lanes, parts, strict=True):
            blocks = [
                (block.at(at, ((1, n),), 0, row.size), row.size)
                for s in range(sets)
                for block, rows in sides
                for i, row in enumerate(rows)
                for at in ((first + (i * prod(heads.counts) + s * together)) * self._depth + start,)
            ]
            banks.transpose(ref, n, blocks)
        return (
            Turned(parts, together, 0, sum(sizes)),
            Turned(parts, together, sizes[0], sum(sizes)),
        )

    def values(self, heads: Heads, head: Affine, tile: int) -> Operand:
        """The values of one tile of keys of one head."""
        column = (head + tile * prod(heads.counts)) * self._width
        return heads.values.at(column, ((1, self._width),), 0, self.key_rows[tile].size)

    def store(self, out: Ref, rows: Rows, box: Box) -> None:
        """Write the results of some rows of a box of heads."""
        self._move(out, 0, rows, ("out", ROWS, WIDTH), box, self._body.outputs[0])

    def _block(
        self,
        key: str,
        group: int,
        parts: list[Rows],
        inner: int,
        box: Box,
    ) -> Ref:
        """Rows on the partitions, tile beside tile, of all the heads."""
        kind = self._value_kind if inner == WIDTH else self._kind
        width = prod(box[1]) * self._space.extent(inner)
        ref = self._b.alloc(max(r.size for r in parts), len(parts) * width, kind, held=True)
        source = self._space.accesses[key].source
        assert source is not None
        for i, rows in enumerate(parts):
            self._move(ref, i * width, rows, (key, group, inner), box, self._body.buffers[source])
        return ref

    def _move(
        self,
        ref: Ref,
        column: int,
        rows: Rows,
        access: tuple[str, int, int],
        box: Box,
        buffer: SSAValue,
    ) -> None:
        """One tile of rows between its columns and a buffer."""
        key, group, inner = access
        space, strides = self._space, self._space.strides(key, group)
        tile = Tile(tuple(Affine(s) for s in rows.starts), rows.counts)
        base = space.offset(key, box[0]) + tile.offset(strides)
        heads = zip(space.strides(key, BATCH), box[1], strict=True)
        free = merge_pairs((*heads, (space.stride(key, inner), space.extent(inner))))
        for start, count, shift, step in tile.pieces(strides):
            window = (buffer, base + shift, step)
            transfer(self._b, ref, Affine(column), (start, count), window, free, key == "out")


def _banks(widths: Sequence[int], columns: int) -> list[list[int]]:
    """Neighbours that fit into a bank together."""
    out: list[list[int]] = []
    room = 0
    for i, width in enumerate(widths):
        if width > room:
            out.append([])
            room = columns
        out[-1].append(i)
        room -= width
    return out
