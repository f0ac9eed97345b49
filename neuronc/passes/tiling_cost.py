"""The time that one way to cut a contraction takes, by the price table.

A candidate costs what its busiest engine costs, plus what nothing hides: the first loads, the last
drain, and drains that find no free bank. One that cannot win is given up early.
"""

from __future__ import annotations

from functools import cache
from math import inf, prod

from neuronc.dialects.access import Affine
from neuronc.isa.table import Engine
from neuronc.passes.contraction import COLUMNS, ROWS
from neuronc.passes.iteration import Tile, tile_shape
from neuronc.passes.prices import (
    activation_seconds,
    copy_seconds,
    dma_seconds,
    matmul_seconds,
    pair_seconds,
    transpose_seconds,
)
from neuronc.passes.staging import TURNED_PIECES
from neuronc.passes.tiling_blocks import Cut
from neuronc.passes.tiling_facts import Transfer, run_of

_BYTES_WEIGHT = 0.04
"""Of the time of transfers, what counts where compute hides it: others could use the bytes."""


def tiling_seconds(cut: Cut, limit: float = inf) -> float:
    """The busiest engine, and what nothing hides; infinite where it is not below `limit`."""
    f = cut.facts
    (turns, copies), (more_turns, more_copies) = (_turn_seconds(cut, g) for g in (ROWS, COLUMNS))
    tensor = _matmul_seconds(cut) + turns + more_turns
    if f.batch * tensor >= limit:
        return inf
    loads = {g: _load_seconds(cut, g) for g in (ROWS, COLUMNS)}
    dma = sum(loads.values()) + _other_dma_seconds(cut)
    if f.batch * (max(tensor, dma) + _BYTES_WEIGHT * dma) >= limit:
        return inf
    cast, vector, scalar = _drain_seconds(cut)
    elementwise = max(vector, scalar, (vector + scalar + cast + copies + more_copies) / 2)
    exposed = _start_seconds(cut, loads) + _stall_seconds(cut, loads, cast + vector + scalar)
    return f.batch * (max(tensor, elementwise, dma) + _BYTES_WEIGHT * dma) + exposed


def _matmul_seconds(cut: Cut) -> float:
    extents = cut.sides[cut.line].extents
    widest = prod(tile_shape(extents, cut.hw.matmul_columns_max))
    whole, rest = divmod(cut.sides[cut.line].size, widest)
    each = whole * matmul_seconds(widest, cut.facts.bytes, cut.hw)
    if rest:
        each += matmul_seconds(rest, cut.facts.bytes, cut.hw)
    return cut.lane_tiles() * (cut.k_tiles * each)


def _turn_seconds(cut: Cut, group: int) -> tuple[float, float]:
    """Transposes on the tensor engine, and their copies out of PSUM."""
    side, f, hw = cut.sides[group], cut.facts, cut.hw
    if not cut.is_turned(group):
        return 0.0, 0.0
    rows = min(side.size, hw.partitions)
    count = _repeats(cut, group) * -(-side.size // hw.partitions) * cut.k_tiles
    columns = min(prod(cut.block[group]), TURNED_PIECES * hw.partitions)
    copy = copy_seconds(columns, f.bytes, f.bytes, Engine.VECTOR, hw) / columns * rows
    turn = transpose_seconds(rows, cut.k_lanes, f.bytes, hw)
    return count * turn, count * copy


def _repeats(cut: Cut, group: int) -> int:
    return cut.loads(group) // cut.blocks[group]


def _load_seconds(cut: Cut, group: int) -> float:
    """Bringing one operand, as often as it is brought."""
    side = cut.sides[group]
    if side.near:
        return 0.0
    chunks = -(-cut.k_tiles // cut.tiling.chunk)
    if cut.covers[group] is None and side.transposed:
        return cut.loads(group) * chunks * _rows_seconds(cut, group)
    return cut.loads(group) * chunks * _columns_seconds(cut, group)


def _columns_seconds(cut: Cut, group: int) -> float:
    """A chunk of a block as the matmul wants it, or of what its windows cover."""
    side, cover, block = cut.sides[group], cut.covers[group], cut.block[group]
    if cover is not None:
        runs, run = cover.runs(block), cover.run(block)
    else:
        run = side.run(block)
        runs = prod(block) // run * min(cut.tiling.chunk, cut.k_tiles)
    pieces, lanes = _pieces(cut.k_tile, dict(cut.facts.depth_strides)[group])
    return pieces * dma_seconds(lanes, runs, run, cut.facts.bytes, cut.hw)


def _rows_seconds(cut: Cut, group: int) -> float:
    """A chunk of a block with K along the partitions, to be transposed there."""
    columns, hw = prod(cut.block[group]), cut.hw
    run = run_of(cut.chunk(), dict(cut.facts.depth_strides)[group])
    lanes, runs = min(columns, hw.partitions), cut.chunk_depth() // run
    return -(-columns // hw.partitions) * dma_seconds(lanes, runs, run, cut.facts.bytes, hw)


def _drain_seconds(cut: Cut) -> tuple[float, float, float]:
    """(either engine, vector, scalar) seconds of all drains."""
    f, hw = cut.facts, cut.hw
    columns, count = cut.line_columns, cut.drains()
    cast = f.casts * copy_seconds(columns, 4, 4, Engine.VECTOR, hw)
    vector = f.pairs * pair_seconds(columns, 4, hw)
    scalar = f.activations * activation_seconds(columns, 4, hw)
    return count * cast, count * vector, count * scalar


def _other_dma_seconds(cut: Cut) -> float:
    """Stores, and what the epilogue loads tile by tile."""
    f, hw = cut.facts, cut.hw
    columns, count = cut.line_columns, cut.drains()
    lanes = min(cut.sides[cut.lanes].size, hw.partitions)
    far = [load for group, load in f.near if group != cut.lanes]
    vectors = [store for store in f.stores if _is_vector(cut, store)]
    stores = [store for store in f.stores if store not in vectors]
    total = _vectors_seconds(cut, vectors)
    for size, strides in (*stores, *f.loads, *far):
        run = run_of((columns,), dict(strides)[cut.line][-1:])
        total += count * dma_seconds(lanes, columns // run, run, size, hw)
    return total


def _is_vector(cut: Cut, store: Transfer) -> bool:
    """Whether a result is one vector over the lanes, which leaves as rows."""
    size, strides = store
    one = cut.facts.batch == cut.sides[cut.line].size == 1
    dense = one and dict(strides)[cut.lanes] == (1,)
    return dense and cut.sides[cut.lanes].size > cut.hw.partitions and size in (2, 4)


def _vectors_seconds(cut: Cut, vectors: list[Transfer]) -> float:
    """Storing vectors as rows of as many elements as there are partitions."""
    tiles, hw = cut.lane_tiles(), cut.hw
    rows, turns = min(tiles, hw.partitions), -(-tiles // hw.partitions)
    return sum(turns * dma_seconds(rows, 1, hw.partitions, size, hw) for size, _ in vectors)


def _start_seconds(cut: Cut, loads: dict[int, float]) -> float:
    """The loads before the first matmul and those it outruns, and the last store."""
    hw, t = cut.hw, cut.tiling
    chunks = -(-cut.k_tiles // t.chunk)
    first = {g: seconds / cut.loads(g) for g, seconds in loads.items()}
    before = sum(first.values()) / chunks
    # As chunks come, all groups that PSUM has room for may accumulate.
    group = t.stationary_group * t.moving_group
    tiles = min(cut.banks() // group * group, cut.all_tiles())
    work = tiles * cut.k_tiles * matmul_seconds(cut.tile_columns, cut.facts.bytes, hw)
    late = max(sum(first[g] for g in first if cut.held[g]) - before - work, 0.0)
    return before + late + 2 * hw.dma_start_seconds


def _stall_seconds(cut: Cut, loads: dict[int, float], drains: float) -> float:
    """Groups that wait for banks, and blocks that wait for the last of the one before."""
    f, hw, t = cut.facts, cut.hw, cut.tiling
    group, free = t.stationary_group * t.moving_group, cut.banks()
    if group * 2 <= free:
        banks = drains * group / max(cut.all_tiles(), 1)
    else:
        banks = f.batch * drains / (t.stationary_group if group <= free else 1)
    if not t.outer_held or cut.blocks[t.outer] * f.batch == 1 or cut.held_twice():
        return banks
    chunk = loads[t.outer] / cut.loads(t.outer) * t.chunk / cut.k_tiles
    return banks + cut.blocks[t.outer] * f.batch * (chunk + hw.dma_start_seconds)


@cache
def _pieces(tile: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, int]:
    """How many transfers one tile of partitions takes, and the partitions of each."""
    pieces = list(Tile((Affine(),) * len(tile), tile).pieces(strides))
    return len(pieces), pieces[0][1]
