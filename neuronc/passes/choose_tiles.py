"""Choose how a contraction is cut, by search: the cheapest of all candidates by the price table.

    [2048, 2048] x [2048, 2048] bf16, operands in HBM
  becomes
    outer rows x8 held, inner columns x2 held, psum 1x2, chunk 4

One operand's block is outermost and stays while blocks of the other pass by. A held block has all
of K on chip; one that is streamed comes chunk by chunk inside the loop over K, and then the whole
pair of blocks accumulates in PSUM at once. The result has the rows on the partitions, or, with the
operands exchanged, the columns. What a candidate costs is worked out by `tiling_cost`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from math import inf, prod

from neuronc.hardware import Generation
from neuronc.passes.body import Body
from neuronc.passes.builder import Builder
from neuronc.passes.contraction import COLUMNS, ROWS, Problem
from neuronc.passes.tiling import ALL, Tiling
from neuronc.passes.tiling_blocks import SBUF_SHARE, TURNS, Cut, is_line, tiles_of
from neuronc.passes.tiling_cost import tiling_seconds
from neuronc.passes.tiling_facts import Facts, facts_of

_OUTER_TILES = (1, 2, 4, 8, 16, ALL)
_INNER_TILES = (1, 2, 4, 8, ALL)
_CHUNKS = (16, 8, 4, 2, 1)
_HELD_GROUPS = ((1, 1), (1, 2), (2, 2), (1, 4), (2, 1), (4, 1))
_BETTER = 0.995
"""Candidates within this share are equal; then the one with fewer and larger transfers wins."""
_ROOM_STEP_BYTES = 8192
"""Searches that differ by less room share an answer."""


def choose(problem: Problem, body: Body, builder: Builder, hw: Generation) -> Tiling:
    """The cheapest tiling of a contraction; `builder` knows what is on chip already."""
    room = hw.sbuf_bytes_per_partition // _ROOM_STEP_BYTES * _ROOM_STEP_BYTES
    return _search(facts_of(problem, body, builder), room, _without_room(hw))


@cache
def _without_room(hw: Generation) -> Generation:
    """The prices alone, which are the same however much of SBUF is taken."""
    return replace(hw, sbuf_bytes_per_partition=0)


def searches() -> int:
    """How many different contractions this process has searched for."""
    return _search.cache_info().currsize


@cache
def _search(facts: Facts, room: int, hw: Generation) -> Tiling:
    cuts = [Cut(facts, tiling, room, hw) for tiling in _candidates(facts, hw)]
    for turns in TURNS:
        best: tuple[float, Tiling] | None = None
        for cut in cuts:
            if cut.sbuf_bytes(turns) <= SBUF_SHARE * room:
                limit = inf if best is None else best[0] * _BETTER
                seconds = tiling_seconds(cut, limit)
                if seconds < limit:
                    best = seconds, cut.tiling
        if best is not None:
            return best[1]
    return min(cuts, key=lambda cut: cut.sbuf_bytes(1)).tiling


def _candidates(facts: Facts, hw: Generation) -> Iterator[Tiling]:
    """Every way to cut that PSUM has room for, each once."""
    sides = dict(facts.sides)
    chunks = [*_chunks(facts, hw), *_windows(facts)]
    banks = hw.psum_bytes_per_partition // hw.psum_bank_bytes
    for lanes, outer in product(facts.lanes, (ROWS, COLUMNS)):
        inner = ROWS + COLUMNS - outer
        widest = {
            g: hw.stationary_columns_max if g == lanes else hw.matmul_columns_max
            for g in (ROWS, COLUMNS)
        }
        count = {g: tiles_of(sides[g].extents, widest[g]) for g in (ROWS, COLUMNS)}
        wide = {g: is_line(sides[g].extents, widest[g]) for g in (ROWS, COLUMNS)}
        line = ROWS + COLUMNS - lanes
        for a, b in product(
            _limited(_OUTER_TILES, count[outer]), _limited(_INNER_TILES, count[inner])
        ):
            blocks = {outer: min(a, count[outer]), inner: min(b, count[inner])}
            turned = (sides[outer].transposed, sides[inner].transposed)
            for held, groups in _modes(blocks, lanes, line, wide[line]):
                # A transpose inside the loop over K needs a bank of its own.
                inside = any(t and not h for t, h in zip(turned, held, strict=True))
                if prod(groups) > banks - inside:
                    continue
                for chunk, on in chunks:
                    yield Tiling(lanes == COLUMNS, outer, a, b, *held, *groups, chunk, on)


def _chunks(facts: Facts, hw: Generation) -> list[tuple[int, int]]:
    """(tiles of K that one DMA brings, 0) where operands are brought as they lie."""
    if len(facts.depth) > 1:
        return [(1, 0)]
    kt = tiles_of(facts.depth, hw.partitions)
    return [(c, 0) for c in sorted({min(c, kt) for c in _CHUNKS}, reverse=True)]


def _windows(facts: Facts) -> list[tuple[int, int]]:
    """(taps, dimensions of K on the partitions) where windows can be read from what they cover."""
    if any(side.near for _, side in facts.sides):
        return []
    return [
        (prod(facts.depth[lanes:]), lanes)
        for lanes in range(1, len(facts.depth) + 1)
        if any(facts.footprint(group, lanes) for group in (ROWS, COLUMNS))
    ]


def _modes(
    blocks: dict[int, int], lanes: int, line: int, wide: bool
) -> Iterator[tuple[tuple[bool, bool], tuple[int, int]]]:
    """Which operands are held, with what accumulates at a time."""
    for s, m in _HELD_GROUPS:
        if s <= blocks[lanes] and m <= blocks[line] and (m == 1 or wide):
            yield (True, True), (s, m)
    s, m = blocks[lanes], blocks[line]
    if m == 1 or wide:
        yield (True, False), (s, m)
        yield (False, False), (s, m)


def _limited(choices: tuple[int, ...], count: int) -> list[int]:
    """The block sizes below `count`, and all of it."""
    return [*(c for c in choices if c < count), ALL]
