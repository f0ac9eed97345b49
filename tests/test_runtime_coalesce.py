"""Results made where copies would put them, against running each record as it stands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory, Operand
from neuronc.isa.table import Instruction
from neuronc.numerics import FUNCTIONS
from neuronc.runtime.coalesce import coalesce
from neuronc.runtime.forward import forward
from neuronc.runtime.merge import merge_accumulations
from neuronc.runtime.nodes import Places
from tests.test_runtime_forward import (
    APART,
    BUFFER_BYTES,
    READ_ONLY,
    SIDE,
    WRITTEN,
    hbm,
    in_hbm,
    instruction,
    nodes_of,
    on_chip,
    run,
    some,
)

ADD, MULTIPLY = FUNCTIONS["add"].code, FUNCTIONS["multiply"].code
SBUF, PSUM = Memory.SBUF, Memory.PSUM
ALL = [
    isa.Memset(on_chip(memory, tile, width=4 * SIDE), tile + 1.0)
    for memory in (SBUF, PSUM)
    for tile in range(3)
]
"""Nothing is read before it is written."""


def work(chance: np.random.Generator, dst: Operand) -> Instruction:
    """An instruction that makes a block."""
    match int(chance.integers(5 if dst.memory is PSUM else 3)):
        case 0:
            return isa.TensorTensor(dst, some(chance, SBUF), hbm(chance, WRITTEN), ADD)
        case 1:
            src = some(chance, PSUM)
            return isa.TensorScalar(dst, src, None, None, MULTIPLY, 0, 0, 0, 3.0, 0.0)
        case 2:
            return isa.Transpose(dst, some(chance, SBUF))
        case _:
            accumulate = int(chance.integers(2))
            return isa.MatMul(dst, some(chance, SBUF), some(chance, SBUF), accumulate)


def stored(chance: np.random.Generator) -> list[Instruction]:
    """One or two blocks are made, read or not, and stored, with other work in between or not."""
    memory, tile = (SBUF, PSUM)[int(chance.integers(2))], int(chance.integers(3))
    column = SIDE // 2 * int(chance.integers(5))
    count = int(chance.integers(1, 3))
    blocks = [on_chip(memory, tile, column + i * SIDE) for i in range(count)]
    to = hbm(chance, WRITTEN) if count == 1 else in_hbm(WRITTEN, SIDE // 2, 0)
    if count == 2:
        to = replace(to, counts=(SIDE, 2 * SIDE))
    out = [made for block in blocks for made in (work(chance, block),)]
    if memory is PSUM and chance.integers(2):
        out.append(isa.MatMul(blocks[0], some(chance, SBUF), some(chance, SBUF), 1))
    if chance.integers(2):
        out.append(isa.TensorTensor(some(chance, PSUM), blocks[0], some(chance, PSUM), ADD))
    out.append(isa.DmaCopy(to, on_chip(memory, tile, column, count * SIDE), 0))
    if chance.integers(2):
        out.append(isa.Copy(some(chance, PSUM), blocks[-1]))
    for _ in range(int(chance.integers(3))):
        out.insert(int(chance.integers(len(out))), instruction(chance))
    return out


@pytest.mark.parametrize("seed", range(200))
def test_coalescing_changes_no_bit(seed: int) -> None:
    chance = np.random.default_rng(seed)
    records = [made for _ in range(int(chance.integers(1, 12))) for made in stored(chance)]
    start = chance.integers(0, 7, (2, BUFFER_BYTES // 4)).astype(np.float32)
    nodes = nodes_of(*ALL, *records)
    literal, merged = run(nodes, start), merge_accumulations(forward(nodes, APART), Places(APART))
    assert run(coalesce(nodes, Places(APART)), start) == literal
    assert run(coalesce(merged, Places(APART)), start) == literal


def test_results_are_made_where_they_are_stored() -> None:
    """In two pieces, one of which is also read on chip."""
    wide = replace(in_hbm(WRITTEN, 0, 0), counts=(SIDE, 2 * SIDE))
    blocks = [on_chip(SBUF, 0, i * SIDE) for i in range(2)]
    nodes = nodes_of(
        *ALL,
        *(isa.TensorTensor(block, on_chip(SBUF, 1), on_chip(PSUM, 1), ADD) for block in blocks),
        isa.DmaCopy(wide, on_chip(SBUF, 0, 0, 2 * SIDE), 0),
        isa.Copy(on_chip(PSUM, 2), blocks[1]),
        isa.DmaCopy(in_hbm(WRITTEN, SIDE, 0), on_chip(PSUM, 2), 0),
    )
    one, two, copy = coalesce(nodes, Places(APART))[len(ALL) :]
    place = Memory.HBM + WRITTEN, 4 * SIDE
    assert (one.views["dst"].space, one.views["dst"].offset) == (place[0], 0)
    assert (two.views["dst"].space, two.views["dst"].offset) == place
    assert (copy.views["src"].space, copy.views["src"].offset) == place
    assert isinstance(copy.instruction, isa.DmaCopy | isa.Copy)


@pytest.mark.parametrize(
    "between",
    [
        isa.DmaCopy(on_chip(SBUF, 1), in_hbm(WRITTEN, SIDE // 2, 0), 0),  # reads the old bytes
        isa.DmaCopy(in_hbm(WRITTEN, 0, SIDE // 2), in_hbm(READ_ONLY, 0, 0), 0),  # writes new ones
        isa.TensorTensor(on_chip(SBUF, 1), on_chip(PSUM, 0, SIDE // 2), on_chip(SBUF, 2), ADD),
        isa.MatMul(on_chip(PSUM, 0), on_chip(SBUF, 2), on_chip(SBUF, 2), 1),
    ],
    ids=["read", "written", "half read", "added to"],
)
def test_a_result_stays_where_it_is(between: Instruction) -> None:
    """The third one reads bytes that are not stored; what the fourth one adds stays on chip."""
    make = isa.TensorTensor(on_chip(PSUM, 0), on_chip(SBUF, 1), on_chip(PSUM, 1), ADD)
    store = isa.DmaCopy(in_hbm(WRITTEN, 0, 0), on_chip(PSUM, 0), 0)
    adds = isinstance(between, isa.MatMul)
    nodes = nodes_of(*ALL, make, *((store, between) if adds else (between, store)), store)
    assert coalesce(nodes, Places(APART))[len(ALL)].views["dst"].space == Memory.PSUM


def test_a_weight_is_updated_in_place() -> None:
    weight = in_hbm(WRITTEN, 0, 0)
    nodes = nodes_of(
        *ALL,
        isa.TensorTensor(on_chip(SBUF, 0), weight, on_chip(PSUM, 1), ADD),
        isa.DmaCopy(weight, on_chip(SBUF, 0), 0),
    )
    (update,) = coalesce(nodes, Places(APART))[len(ALL) :]
    assert update.views["dst"].space == update.views["lhs"].space == Memory.HBM + WRITTEN
