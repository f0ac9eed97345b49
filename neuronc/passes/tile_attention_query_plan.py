"""How an attention of few queries is cut: which keys are on a partition, which heads together.

Keys lie on the partitions, and `together` neighbours of each of `tiles` blocks in the columns:

    key = start + tile * lanes * together + partition * together + j

so that a run of HBM is `together` keys long. What does not divide is a second section of fewer
partitions. A group is the heads that share one softmax: its few instructions work on all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from neuronc.dialects.access import Affine
from neuronc.hardware import Generation
from neuronc.isa.operands import FREE_DIMENSIONS_MAX
from neuronc.passes.attention import Attention
from neuronc.passes.attention_plan import LONG_RUN_BYTES, make_plan
from neuronc.passes.attention_space import BATCH, DEPTH, KEYS, ROWS, WIDTH, Space
from neuronc.passes.body import element
from neuronc.passes.iteration import Strided, collapse

ROWS_MAX = 8
"""Queries of a head beyond which a tile of them keeps the partitions busy as well."""
QUERY_BANKS = 3
"""PSUM banks of a group's queries, so that two groups leave two for all else."""
PIECE_COLUMNS = 1024
"""Columns of keys that are multiplied at once: long beside an instruction, short to wait for."""
LANES_MIN = 3 / 4
"""Of the partitions, what a section must keep busy to hold all keys."""
_ROOM = 1 / 4
"""Of SBUF, what the values of one group may take: another's are on their way."""
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Section:
    """Keys from `start` on, `together` of each tile in each of `lanes` partitions."""

    start: int
    lanes: int
    tiles: int
    together: int

    @property
    def columns(self) -> int:
        """Keys of one partition."""
        return self.tiles * self.together

    @property
    def keys(self) -> int:
        """Keys of all partitions."""
        return self.lanes * self.columns


@dataclass(frozen=True)
class QueryPlan:
    """The sections of the keys, the heads of a group, and who multiplies queries and keys."""

    sections: tuple[Section, ...]
    rows: int
    """Queries that share the keys of a head; a line of scores is one of them."""
    heads: tuple[int, ...]
    """How many of each dimension of the batch are one group."""
    pack: int
    """Heads whose values are one stationary operand: the columns of the array."""
    key_pack: int
    """Heads whose keys are transposed as one block; 0: the vector engine multiplies them."""


def query_plans(space: Space, it: Attention, hw: Generation) -> Iterator[QueryPlan]:
    """The ways to cut an attention whose heads have few queries each."""
    rows, depth, width = space.extent(ROWS), space.extent(DEPTH), space.extent(WIDTH)
    if rows > ROWS_MAX or not _is_plain(space):
        return
    sections = _sections(space, it, hw)
    columns = sum(s.columns for s in sections)
    line = columns * width * element(it.value.operands[0]).bytes
    most = min(
        hw.partitions // -(-width // hw.partitions) // rows,
        int(_ROOM * hw.sbuf_bytes_per_partition / line),
    )
    for turned in (False, True):
        spread = most if turned else min(most, QUERY_BANKS * hw.matmul_columns_max // depth)
        if spread < 1 or (rows > 1 and not turned):
            continue
        heads = even_shape(space.extents(BATCH), spread)
        packs = [_pack(heads, n, hw) for n in (width, depth)]
        yield QueryPlan(sections, rows, heads, packs[0], packs[1] if turned else 0)


def _pack(heads: Sequence[int], width: int, hw: Generation) -> int:
    """How many neighbouring heads have their columns side by side in the array."""
    fit = max(1, hw.stationary_columns_max // width)
    return next(n for n in range(fit, 0, -1) if not (heads[-1] if heads else 1) % n)


def _is_plain(space: Space) -> bool:
    """Whether rows of all operands are dense, and an access has a dimension for each of a group."""
    inner = (("q", DEPTH), ("k", DEPTH), ("v", WIDTH), ("out", WIDTH))
    batch, rows = len(space.extents(BATCH)), len(space.extents(ROWS))
    dense = all(space.stride(key, group) == 1 for key, group in inner)
    return dense and max(batch + rows + 1, batch + 2) <= FREE_DIMENSIONS_MAX


def _sections(space: Space, it: Attention, hw: Generation) -> tuple[Section, ...]:
    """All keys that some query may see."""
    chunks = [c for tile in make_plan(space, it, hw).tiles for c in tile.chunks]
    first, last = min(c.start for c in chunks), max(c.start + c.count for c in chunks)
    line = space.extent(DEPTH) * element(it.score.operands[0]).bytes
    dense = any(space.stride(k, KEYS) == space.extent(g) for k, g in (("k", DEPTH), ("v", WIDTH)))
    beside = max(1, LONG_RUN_BYTES // line) if dense else 1
    return _cut(first, last - first, beside, hw.partitions)


def _cut(start: int, keys: int, beside: int, partitions: int) -> tuple[Section, ...]:
    """One section that keeps most partitions busy, or one of all of them and what is left."""
    least = min(keys, int(partitions * LANES_MIN))
    for lanes in range(min(partitions, keys), least - 1, -1):
        if not keys % lanes:
            columns = keys // lanes
            together = max(n for n in range(1, beside + 1) if not columns % n)
            return (Section(start, lanes, columns // together, together),)
    whole = keys // partitions * partitions
    (first,) = _cut(start, whole, beside, partitions)
    return first, Section(start + whole, keys - whole, 1, 1)


def even_shape(sizes: Sequence[int], most: int) -> tuple[int, ...]:
    """How many of each dimension make a group of at most `most`: divisors, inner ones first."""
    counts = [1] * len(sizes)
    for d in range(len(sizes) - 1, -1, -1):
        counts[d] = max(n for n in range(1, sizes[d] + 1) if not sizes[d] % n and n <= most)
        most //= counts[d]
        if counts[d] < sizes[d]:
            break
    return tuple(counts)


def walks(sizes: Sequence[int], *strides: Sequence[int]) -> list[Pairs]:
    """The (step, count) pairs of accesses over one space, dimensions merged where all allow it."""
    accesses = [Strided(None, 0, tuple(s)) for s in strides]
    merged_sizes, _, merged = collapse(sizes, [0] * len(sizes), accesses)
    return [tuple(zip(a.strides, merged_sizes, strict=True)) or ((1, 1),) for a in merged]


def dense(sizes: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides."""
    return tuple(prod(sizes[d + 1 :]) for d in range(len(sizes)))


def shifted(starts: Sequence[Affine], by: Sequence[int]) -> tuple[Affine, ...]:
    """Indices some way behind others."""
    return tuple(a + n for a, n in zip(starts, by, strict=True))
