"""How an attention is cut: tiles of queries, chunks of keys, and which of them a mask hides.

A chunk's scores fill half of PSUM less what the weights and the result need, two chunks take
turns. A row of scores that is one chunk has an exact softmax; else the maximum and the sum run
along, and what was added up so far is rescaled (online softmax).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.ir import Operation

from neuronc.dtypes import ElementType
from neuronc.hardware import Generation
from neuronc.passes.attention import Attention
from neuronc.passes.attention_space import BATCH, DEPTH, KEYS, ROWS, WIDTH, Key, Space
from neuronc.passes.body import element
from neuronc.passes.contraction import cut
from neuronc.passes.functions import function_name
from neuronc.passes.iteration import tile_shape
from neuronc.passes.views import splat_of

HIDDEN_MAX = -1e9
"""A number that stands for -inf: beside any score that is larger, its exponential is 0."""
LONG_RUN_BYTES = 2048
"""A run of a transfer that costs little more than its bytes (hardware.md 3.5)."""
LARGEST, SMALLEST = 3.4028234663852886e38, 2.0**-126
"""Of the normal float32 numbers."""
STEPS_TOGETHER = 256
"""Most steps of all heads that are one pipeline; more are a loop over heads, filled for each."""
STEPS_MAX = 16384
"""Most (tile, chunk) pairs of one head: they are written out one by one."""


@dataclass(frozen=True)
class Chunk:
    """Keys [start, start + count)."""

    start: int
    count: int


@dataclass(frozen=True)
class RowTile:
    """At most 128 queries: `counts` of each row dimension from `starts`, and the keys they need."""

    starts: tuple[int, ...]
    counts: tuple[int, ...]
    number: int
    column: int
    """Where its queries begin among all."""
    size: int
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True)
class Plan:
    """The tiles of one head, and the widths that hold for all."""

    tiles: tuple[RowTile, ...]
    key_tile: int
    chunk: int
    together: int = 1
    """Neighbouring keys that lie on one partition: key `together * p + j` is number p of tile j."""


def make_plan(space: Space, it: Attention, hw: Generation) -> Plan:
    """Cut the queries and keys of one head."""
    chunk = chunk_max(space, hw)
    keys, tile = space.extent(KEYS), hw.partitions
    extents = space.extents(ROWS)
    tiles: list[RowTile] = []
    column = 0
    for starts, counts in cut(extents, tile_shape(extents, tile)):
        size = 1
        for n in counts:
            size *= n
        seen = [
            k
            for k in range(0, keys, tile)
            if not _is_skipped(space, it, starts, counts, k, min(tile, keys - k))
        ]
        chunks = _chunks(seen or list(range(0, keys, tile)), tile, chunk, keys)
        tiles.append(RowTile(starts, counts, len(tiles), column, size, chunks))
        column += size
    return Plan(tuple(tiles), tile, chunk, _together(space, it, tiles, hw))


def _together(space: Space, it: Attention, tiles: Sequence[RowTile], hw: Generation) -> int:
    """How many neighbouring keys a partition takes, so that a run is long.

    The softmax does not care for their order, if all that is read beside the scores has the same.
    """
    lines = (("k", DEPTH), ("v", WIDTH))
    dense = all(
        (space.stride(key, KEYS), space.stride(key, inner)) == (space.extent(inner), 1)
        for key, inner in lines
    )
    if it.visible or not dense:
        return 1
    # What is read beside the scores is put in order on chip: for few queries that is little.
    if len(tiles) > 1 and any(space.stride(load, KEYS) for load in it.loads):
        return 1
    line = space.extent(DEPTH) * element(it.score.operands[0]).bytes
    together = 1
    while line * together < LONG_RUN_BYTES and all(
        not n % (2 * together * hw.partitions)
        for tile in tiles
        for chunk in tile.chunks
        for n in (chunk.start, chunk.count)
    ):
        together *= 2
    return together


def chunk_max(space: Space, hw: Generation) -> int:
    """The most keys of a chunk: two chunks of scores, two results and a bank of transposes."""
    return score_banks(space, hw) // 2 * hw.matmul_columns_max


def score_banks(space: Space, hw: Generation) -> int:
    """PSUM banks for scores: all but those of two results and a bank of transposes."""
    banks = hw.psum_bytes_per_partition // hw.psum_bank_bytes
    results = -(-2 * space.extent(WIDTH) // hw.matmul_columns_max)
    return banks - 1 - results


def copy_engines(count: int, width: int, columns: int, copies: int, hw: Generation) -> list[str]:
    """Who copies what is transposed: the engine that is done first with a chunk of `count` keys.

    The vector engine has their maxima to find and a result of `width` to add, the scalar engine
    their exponentials; a few short instructions beside.
    """
    short = 3 * hw.min_interval_cycles
    busy = {
        "vector": (count + 2 * width + short) / hw.vector_hz,
        "scalar": (count + short) / hw.scalar_hz,
    }
    price = {
        "vector": columns / hw.vector_hz / hw.vector_16bit_loose_speedup,
        "scalar": columns / hw.scalar_hz / hw.scalar_16bit_speedup,
    }
    chosen: list[str] = []
    for _ in range(copies):
        engine = min(busy, key=lambda e: busy[e] + price[e])
        busy[engine] += price[engine]
        chosen.append(engine)
    # The vector engine's come first: then none waits for room that the scalar engine makes late.
    return sorted(chosen, reverse=True)


def fits(space: Space, it: Attention, hw: Generation) -> bool:
    """Whether the keys and values of one head may stay on chip, and the steps be written out."""
    if any(any(space.strides(op, BATCH)) for op in it.visible):
        return False
    if element(it.score.operands[0]) is not element(it.value.operands[0]):
        return False
    kind = element(it.score.operands[0]).bytes
    keys, rows = space.extent(KEYS), space.extent(ROWS)
    depth, width = space.extent(DEPTH), space.extent(WIDTH)
    parts = -(-depth // hw.partitions)
    tiles = [-(-n // hw.partitions) for n in (keys, rows)]
    resident = (keys + rows) * parts * kind + tiles[0] * width * kind
    loading = max(tiles) * depth * kind
    steps = tiles[0] * tiles[1] * hw.partitions // hw.matmul_columns_max
    room = hw.sbuf_bytes_per_partition * 5 // 8
    return resident + loading <= room and steps <= STEPS_MAX and width <= hw.matmul_columns_max


def bounds(
    space: Space, key: Key, starts: Sequence[int], counts: Sequence[int], at: int, count: int
) -> tuple[int, int]:
    """The least and the largest number of a predicate of positions over a block of scores."""
    low = high = space.accesses[key].offset
    parts = [*zip(space.strides(key, ROWS), starts, counts, strict=True)]
    for step, start, n in [*parts, (space.stride(key, KEYS), at, count)]:
        ends = (step * start, step * (start + n - 1))
        low, high = low + min(ends), high + max(ends)
    return low, high


def shown_inverted(op: Operation) -> bool:
    """Whether a select takes the scores where its predicate is false."""
    return splat_of(op.operands[1]) is not None


def hidden_number(op: Operation) -> float:
    """What a select puts in place of the scores."""
    value = splat_of(op.operands[1 if shown_inverted(op) else 2])
    assert value is not None
    return float(value)


def scale_of(op: Operation) -> float | None:
    """The factor of an op that multiplies or divides by one positive number; else None."""
    name = function_name(op)
    splats = [splat_of(v) for v in op.operands]
    if name == "multiply" and sum(s is not None for s in splats) == 1:
        factor = float(next(s for s in splats if s is not None))
    elif name == "divide" and splats[0] is None and splats[1] is not None and float(splats[1]):
        factor = 1.0 / float(splats[1])
    else:
        return None
    return factor if 0 < factor < float("inf") else None


def _chunks(starts: Sequence[int], tile: int, widest: int, keys: int) -> tuple[Chunk, ...]:
    """Group key tiles that follow each other into even chunks."""
    runs: list[list[int]] = []
    for start in starts:
        if runs and runs[-1][-1] + tile == start:
            runs[-1].append(start)
        else:
            runs.append([start])
    chunks: list[Chunk] = []
    for run in runs:
        number = -(-len(run) * tile // widest)
        size = -(-len(run) // number)
        for i in range(0, len(run), size):
            part = run[i : i + size]
            chunks.append(Chunk(part[0], min(part[-1] + tile, keys) - part[0]))
    return tuple(chunks)


def _is_skipped(
    space: Space, it: Attention, starts: Sequence[int], counts: Sequence[int], at: int, count: int
) -> bool:
    """Whether a predicate hides the block and its exponentials are 0, whatever the scores are."""
    return any(
        _hides(space, op, starts, counts, at, count) and _is_nothing(space, it, op)
        for op in it.visible
    )


def _hides(
    space: Space, op: Operation, starts: Sequence[int], counts: Sequence[int], at: int, count: int
) -> bool:
    low, high = bounds(space, op, starts, counts, at, count)
    return low >= 0 if shown_inverted(op) else high < 0


def _is_nothing(space: Space, it: Attention, op: Operation) -> bool:
    """Whether hidden scores vanish: -inf, or a number far below what every row shows besides."""
    number = hidden_number(op)
    if number == float("-inf"):
        return all(_keeps_infinity(o) for o in it.chain[it.chain.index(op) + 1 :])
    first = next(i for i, o in enumerate(it.chain) if o in it.visible)
    masks = [o for o in it.chain[first:] if scale_of(o) is None]
    known = all(o in it.visible and hidden_number(o) <= HIDDEN_MAX for o in masks)
    given = {o for o, _ in it.loads}
    return known and not given.intersection(it.chain[:first]) and _shows_each_row(space, it)


def _keeps_infinity(op: Operation) -> bool:
    """Whether an op of the chain leaves a score that is -inf as it is."""
    if function_name(op) == "select":
        return any(splat_of(v) == float("-inf") for v in op.operands[1:])
    return scale_of(op) is not None or function_name(op) == "add"


def _shows_each_row(space: Space, it: Attention) -> bool:
    """Whether every row has a key that all predicates show."""
    rows = space.extents(ROWS)
    first = np.zeros(rows, np.int64)
    last = np.full(rows, space.extent(KEYS) - 1)
    for op in it.visible:
        sign = -1 if shown_inverted(op) else 1
        steps = np.array(space.strides(op, ROWS)).reshape(-1, *[1] * len(rows))
        number = space.accesses[op].offset + (steps * np.indices(rows)).sum(0)
        # A key shows where this number and its own add up to 0 or more.
        number, step = sign * number + min(sign, 0), sign * space.stride(op, KEYS)
        if step > 0:
            first = np.maximum(first, -(number // step))
        elif step < 0:
            last = np.minimum(last, number // -step)
        else:
            last = np.where(number < 0, -1, last)
    return bool((first <= last).all())


def parts_of(depth: int, partitions: int) -> list[tuple[int, int]]:
    """The depth cut to fit on the partitions: (start, count)."""
    return [(d, min(partitions, depth - d)) for d in range(0, depth, partitions)]


def bank_columns(kind: ElementType, hw: Generation) -> int:
    """Elements of one PSUM bank."""
    return hw.psum_bank_bytes // kind.bytes
