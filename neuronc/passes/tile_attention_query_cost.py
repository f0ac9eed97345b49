"""What an attention of few queries costs in each form, by the price table.

A tile of queries at a time is a chain of instructions for each head, on as many partitions as it
has queries: what its engines are busy adds up. All heads at once keep one engine busy, whichever
has most to do, and wait for a chain that is longer, once for a group. `STEPS` are such waits, from
the timelines of small kernels, where nothing else counts: 10 us of one head, 4.5 of each other, and
13 to 16 of a group of any size, 3 of each other.
"""

from __future__ import annotations

from math import prod

from neuronc.hardware import Generation
from neuronc.isa.table import Engine
from neuronc.passes.attention import Attention
from neuronc.passes.attention_plan import parts_of, scale_of
from neuronc.passes.attention_space import BATCH, DEPTH, KEYS, ROWS, WIDTH, Space
from neuronc.passes.body import element
from neuronc.passes.prices import (
    activation_seconds,
    copy_seconds,
    dma_seconds,
    matmul_seconds,
    pair_seconds,
    transpose_seconds,
)
from neuronc.passes.tile_attention_query_plan import QueryPlan

STEPS_OF_TILE, STEPS_OF_QUERIES, STEPS_OF_GROUP = 25, 40, 20
"""Instructions that wait for one another: of each head, of all together, of each group."""
_FLOAT_BYTES = 4


def tile_form_seconds(space: Space, it: Attention, hw: Generation) -> float:
    """A tile of queries of one head at a time."""
    kind, keys, rows = _kind(it), space.extent(KEYS), space.extent(ROWS)
    depth, width, heads = space.extent(DEPTH), space.extent(WIDTH), prod(space.extents(BATCH))
    blocks, turned = -(-keys // hw.partitions), len(parts_of(depth, hw.partitions))
    banks = -(-keys // hw.matmul_columns_max)
    tensor = blocks * turned * transpose_seconds(hw.partitions, min(depth, hw.partitions), kind, hw)
    tensor += banks * turned * matmul_seconds(min(keys, hw.matmul_columns_max), kind, hw)
    tensor += blocks * transpose_seconds(rows, hw.partitions, kind, hw)
    tensor += blocks * matmul_seconds(width, kind, hw)
    columns = blocks * (turned * hw.partitions + rows)
    other = copy_seconds(columns, kind, kind, Engine.VECTOR, hw) / 2
    other += (_masks(it) + 0.5) * pair_seconds(keys, _FLOAT_BYTES, hw)
    other += activation_seconds(keys, _FLOAT_BYTES, hw)
    return heads * (tensor + other + STEPS_OF_TILE * _step(hw))


def query_form_seconds(space: Space, it: Attention, plan: QueryPlan, hw: Generation) -> float:
    """All heads at once, as one plan has it."""
    kind, heads = _kind(it), prod(space.extents(BATCH))
    depth, width = space.extent(DEPTH), space.extent(WIDTH)
    columns = sum(s.columns for s in plan.sections)
    run = plan.sections[0].together
    dma = sum(
        heads * columns // run * dma_seconds(hw.partitions, 1, run * n, kind, hw)
        for n in (depth, width)
    )
    blocks = heads * columns
    tensor = blocks / plan.pack * len(parts_of(width, hw.partitions)) * _product(kind, hw)
    chain = blocks * plan.rows
    other = (_masks(it) + 2) * pair_seconds(chain, _FLOAT_BYTES, hw)
    if plan.key_pack:
        packs = blocks / plan.key_pack * len(parts_of(depth, hw.partitions))
        tensor += packs * (
            transpose_seconds(hw.partitions, hw.partitions, kind, hw) + _product(kind, hw)
        )
        drains = packs * copy_seconds(hw.partitions, kind, kind, Engine.VECTOR, hw)
        other += drains / 2 + chain / hw.vector_hz
    else:
        other += 2 * blocks * depth / hw.vector_hz
    steps = STEPS_OF_QUERIES + STEPS_OF_GROUP * (heads // prod(plan.heads))
    return max(dma, tensor, other) + steps * _step(hw)


def _product(kind: int, hw: Generation) -> float:
    """A full stationary block and a few columns."""
    return matmul_seconds(1, kind, hw)


def _step(hw: Generation) -> float:
    """One short instruction that another one waits for."""
    return (hw.min_interval_cycles + hw.fixed_overhead_cycles) / hw.vector_hz


def _masks(it: Attention) -> int:
    """Operations on scores that are no factor."""
    return sum(scale_of(op) is None for op in it.chain)


def _kind(it: Attention) -> int:
    return element(it.score.operands[0]).bytes
