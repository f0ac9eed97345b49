"""The products of the queries and keys of a group: scores with keys on the partitions.

One query of a head is multiplied on the vector engine, at two cycles for a number of a key: once to
multiply, once to sum over the depth. That needs no transposes. More queries that share the keys, or
small floats, are cheaper on the tensor engine, which takes a transposed block of keys as its
stationary operand and so leaves the scores on the partitions of their keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from neuronc.dtypes import BY_NAME
from neuronc.hardware import Generation
from neuronc.passes.attention_plan import bank_columns, parts_of
from neuronc.passes.attention_space import DEPTH, Space
from neuronc.passes.builder import Builder
from neuronc.passes.contraction import cut
from neuronc.passes.operand import Operand, Ref
from neuronc.passes.tile_attention_query_load import Group, QueryLoader, Rows, part
from neuronc.passes.tile_attention_query_plan import (
    PIECE_COLUMNS,
    QueryPlan,
    Section,
    dense,
    even_shape,
    walks,
)

_FLOAT = BY_NAME["f32"]


class _Products:
    """What both ways share: the cut into pieces."""

    def __init__(
        self, builder: Builder, hw: Generation, space: Space, plan: QueryPlan, load: QueryLoader
    ) -> None:
        self._b, self._hw, self._space, self._plan, self._load = builder, hw, space, plan, load
        self._depth = space.extent(DEPTH)

    def _scores(self, section: Section, group: Group) -> Ref:
        """A block for scores: [lanes, heads, queries, keys of a partition]."""
        lines = group.size * self._plan.rows
        return self._b.alloc(section.lanes, lines * section.columns, _FLOAT)

    def _pieces(self, section: Section, group: Group) -> list[_Piece]:
        """Heads and tiles that are loaded together, heads by packs as they are transposed."""
        one, pack = section.together * self._depth, max(self._plan.key_pack, 1)
        tiles = max(n for n in range(1, section.tiles + 1) if n == 1 or n * one <= PIECE_COLUMNS)
        packs = even_shape(
            _of_last(group.counts, 1, pack), max(1, PIECE_COLUMNS // (tiles * one * pack))
        )
        return [
            (at, counts, first, min(tiles, section.tiles - first))
            for at, counts in cut(group.counts, _of_last(packs, pack, 1))
            for first in range(0, section.tiles, tiles)
        ]


def _of_last(counts: Sequence[int], times: int, by: int) -> tuple[int, ...]:
    """Counts of which the last is multiplied and divided."""
    return (*counts[:-1], counts[-1] * times // by) if counts else ()


_Piece = tuple[tuple[int, ...], tuple[int, ...], int, int]
"""Heads from and how many of each dimension, tiles from and how many."""


class VectorProducts(_Products):
    """Products with one query of each head."""

    def of(self, group: Group) -> list[Ref]:
        """The scores of each section."""
        queries, found = self._load.queries(group), list[Ref]()
        for section in self._plan.sections:
            found.append(self._scores(section, group))
            for piece in self._pieces(section, group):
                self._multiply(section, group, queries, found[-1], piece)
        return found

    def _multiply(
        self, section: Section, group: Group, queries: Ref, scores: Ref, piece: _Piece
    ) -> None:
        """Multiply some keys with the queries of their heads, and sum over the depth."""
        at, counts, first, some = piece
        keys = self._load.rows("k", section, part(group, at, counts), (first, some))
        sizes, depth = (*counts, some, section.together), self._depth
        made = self._load.pool.take("made", section.lanes, prod(sizes) * depth, _FLOAT, 2)
        before, own = dense(group.counts), dense((*sizes, depth))
        head = sum(a * n for a, n in zip(at, before, strict=True))
        block, key, query = walks(
            (*sizes, depth),
            own,
            (*keys.heads, keys.tile, keys.key, 1),
            (*(n * depth for n in before), 0, 0, 1),
        )
        shared = queries.at(head * depth, query, 0, section.lanes)
        self._b.map("multiply", made[block], keys.ref[key], shared)
        steps = (*(n * section.columns for n in before), section.together, 1)
        into, summed = walks(sizes, steps, own[:-1])
        column = head * section.columns + first * section.together
        self._b.reduce("add", scores.at(column, into), made[(*summed, (1, depth))], 1)


class TensorProducts(_Products):
    """Products with any queries, keys transposed a block at a time."""

    def of(self, group: Group) -> list[Ref]:
        """The scores of each section."""
        hw, kind = self._hw, self._load.kind("k")
        self._kind, self._size = kind, self._plan.rows * self._plan.key_pack
        self._parts = parts_of(self._plan.key_pack * self._depth, hw.partitions)
        columns = bank_columns(kind, hw), bank_columns(_FLOAT, hw)
        take, lanes = self._load.pool.take, hw.partitions
        self._turning = [take("turning", lanes, columns[0], kind, 2, "psum") for _ in range(2)]
        self._sums = [take("sums", lanes, columns[1], _FLOAT, 2, "psum") for _ in range(2)]
        self._turns = self._summed = 0
        self._queries = self._load.blocks(group, self._turning[0])
        found: list[Ref] = []
        for section in self._plan.sections:
            found.append(self._scores(section, group))
            for piece in self._pieces(section, group):
                self._piece(section, group, found[-1], piece)
        return found

    def _piece(self, section: Section, group: Group, scores: Ref, piece: _Piece) -> None:
        """The scores of some keys, pack after pack."""
        at, counts, first, some = piece
        keys = self._load.rows("k", section, part(group, at, counts), (first, some))
        before, packs = dense(group.counts), even_shape(counts, self._plan.key_pack)
        steps = [divmod(n, section.together) for n in range(some * section.together)]
        most = self._sums[0].columns // self._size
        for inner, _ in cut(counts, packs):
            head = sum((a + i) * n for a, i, n in zip(at, inner, before, strict=True))
            offset = sum(i * n for i, n in zip(inner, keys.heads, strict=True))
            for start in range(0, len(steps), most):
                blocks = [
                    offset + tile * keys.tile + key * keys.key
                    for tile, key in steps[start : start + most]
                ]
                column = first * section.together + start
                self._multiply(section, scores, keys, blocks, (head, column))

    def _multiply(
        self,
        section: Section,
        scores: Ref,
        keys: Rows,
        blocks: list[int],
        to: tuple[int, int],
    ) -> None:
        """The scores of one pack and some keys of a partition, which fill at most a bank."""
        (head, column), size, lanes = to, self._size, section.lanes
        sums = self._sums[self._summed % len(self._sums)]
        self._summed += 1
        room = self._turning[0].columns // self._hw.partitions // len(self._parts)
        for start in range(0, len(blocks), room):
            turned = self._turn(keys, blocks[start : start + room])
            for i in range(min(room, len(blocks) - start)):
                dst = sums.at((start + i) * size, ((1, size),), 0, lanes)
                self._product(dst, turned, i, head)
        count, columns = len(blocks), section.columns
        into = ((1, count), (columns, size))
        line = head * self._plan.rows
        src = sums.at(0, ((size, count), (1, size)), 0, lanes)
        self._b.cast(scores.at(line * columns + column, into), src)

    def _turn(self, keys: Rows, blocks: list[int]) -> list[Ref]:
        """Some keys of a partition with their depth on the partitions, for each part of it."""
        bank, lanes = self._turning[self._turns % len(self._turning)], keys.ref.partitions
        self._turns += 1
        pack, found = self._plan.key_pack, list[Ref]()
        step = keys.heads[-1] if keys.heads else 0
        for number, (start, width) in enumerate(self._parts):
            at = number * len(blocks) * lanes
            for i, offset in enumerate(blocks):
                pairs = ((step, pack), (1, self._depth)) if pack > 1 else ((1, width),)
                dst = bank.at(at + i * lanes, ((1, lanes),), 0, width)
                self._b.transpose(dst, keys.ref.at(offset + start, pairs))
            some = ((1, len(blocks) * lanes),)
            columns = len(blocks) * lanes
            found.append(self._load.pool.take(f"turned{number}", width, columns, self._kind, 3))
            self._b.cast(found[-1].all(), bank.at(at, some, 0, width))
        return found

    def _product(self, dst: Operand, turned: list[Ref], block: int, head: int) -> None:
        """One block of keys with the queries of its heads."""
        rows, pack, lanes = self._plan.rows, self._plan.key_pack, dst[1].partitions
        lines = self._queries.columns // len(self._parts)
        pairs = ((lines // pack, pack), (1, rows)) if pack > 1 else ((1, rows),)
        for number, (_, width) in enumerate(self._parts):
            column = number * lines + head // pack * rows
            moving = self._queries.at(column, pairs, 0, width)
            stationary = turned[number].at(block * lanes, ((1, lanes),))
            self._b.matmul(dst, stationary, moving, () if number == 0 else None)
