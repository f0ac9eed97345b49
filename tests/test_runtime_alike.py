"""Small calls that are alike made one: which they become, and that no bit changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neuronc.isa import instructions as isa
from neuronc.isa.operands import Operand
from neuronc.isa.table import Instruction
from neuronc.numerics import FUNCTIONS, REDUCTIONS
from neuronc.runtime import alike
from neuronc.runtime.alike import gather
from neuronc.runtime.merge import merge_accumulations
from neuronc.runtime.nodes import Places
from tests.test_runtime_coalesce import ADD, ALL, MULTIPLY, PSUM, SBUF, stored
from tests.test_runtime_forward import (
    APART,
    BUFFER_BYTES,
    READ_ONLY,
    SIDE,
    WRITTEN,
    in_hbm,
    instruction,
    nodes_of,
    on_chip,
    run,
)

EXP = FUNCTIONS["exponential"].code
START = np.arange(2 * BUFFER_BYTES // 4, dtype=np.float32).reshape(2, -1) % 7
BLOCKS = [on_chip(SBUF, 0, i * SIDE) for i in range(4)]
RESULTS = [on_chip(SBUF, 1, i * SIDE) for i in range(4)]
SUMS = [on_chip(PSUM, 1, i * SIDE) for i in range(4)]


@pytest.mark.parametrize("seed", range(200))
def test_gathering_changes_no_bit(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(seed)
    monkeypatch.setattr(alike, "SEGMENT_BYTES", int(chance.integers(1, 1 << 14)))
    records = [made for _ in range(int(chance.integers(1, 12))) for made in stored(chance)]
    records += [instruction(chance) for _ in range(int(chance.integers(60)))]
    start = chance.integers(0, 7, (2, BUFFER_BYTES // 4)).astype(np.float32)
    nodes = nodes_of(*ALL, *records)
    literal = run(nodes, start)
    assert run(gather(nodes, APART), start) == literal
    assert run(gather(merge_accumulations(nodes, Places(APART)), APART), start) == literal


def scaled(dst: Operand, src: Operand, by: float = 3.0) -> Instruction:
    return isa.TensorScalar(dst, src, None, None, MULTIPLY, 0, 0, 0, by, 0.0)


def ones(kind: str) -> list[Instruction]:
    """The same with each of four blocks."""
    pairs = zip(RESULTS, BLOCKS, strict=True)
    match kind:
        case "add":
            return [isa.TensorTensor(dst, src, BLOCKS[0], ADD) for dst, src in pairs]
        case "scale":
            return [scaled(dst, src) for dst, src in pairs]
        case "turn":
            rows = [replace(block, partitions=1) for block in BLOCKS]
            columns = [replace(block, counts=(1,)) for block in SUMS]
            return [isa.Transpose(dst, src) for dst, src in zip(columns, rows, strict=True)]
        case "reduce":
            one = [replace(dst, counts=(1,)) for dst in RESULTS]
            code = REDUCTIONS["add"].code
            rows = [replace(src, steps=(SIDE, 1), counts=(1, SIDE)) for src in BLOCKS]
            return [isa.TensorReduce(d, s, code, 1) for d, s in zip(one, rows, strict=True)]
        case _:
            pairs = zip(SUMS, BLOCKS, strict=True)
            return [isa.MatMul(dst, src, BLOCKS[1], 0) for dst, src in pairs]


@pytest.mark.parametrize("kind", ["add", "scale", "reduce", "multiply"])
def test_what_is_alike_is_one_call(kind: str) -> None:
    store = isa.DmaCopy(in_hbm(WRITTEN, 0, 0), on_chip(SBUF, 1, SIDE), 0)
    if kind == "multiply":
        store = isa.DmaCopy(in_hbm(WRITTEN, 0, 0), SUMS[1], 0)
    nodes = nodes_of(*ALL, *ones(kind), store)
    made = gather(nodes, APART)
    (call,) = [node for node in made if node.views["dst"].shape[0] == len(BLOCKS)]
    assert call.views["dst"].strides[0] == 4 * SIDE
    assert call.is_batch == (kind == "multiply")
    assert run(made, START) == run(nodes, START)


def test_vectors_are_transposed_together_and_blocks_are_not() -> None:
    """A block has a call of its own that is faster (`turning`)."""
    assert len(gather(nodes_of(*ones("turn")), APART)) == 1
    pairs = zip(SUMS, BLOCKS, strict=True)
    nodes = nodes_of(*(isa.Transpose(dst, src) for dst, src in pairs))
    assert gather(nodes, APART) == nodes


def test_copies_in_loops_gain_more_dimensions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two loops of two are one call, or two where it would have too many elements."""
    parts = [(block, side) for block in range(2) for side in range(2)]
    nodes = nodes_of(
        *(
            isa.Copy(
                on_chip(SBUF, 1, 2 * block * SIDE + side * SIDE // 2, SIDE // 4),
                on_chip(SBUF, 0, block * SIDE + side * SIDE // 4, SIDE // 4),
            )
            for block, side in parts
        )
    )
    for most, shapes in ((1 << 18, [(2, 2)]), (2 * SIDE * SIDE // 4, [(2,)] * 2)):
        monkeypatch.setattr(alike, "COPIES_MAX", most)
        made = gather(nodes, APART)
        assert [node.views["dst"].shape[:-2] for node in made] == shapes
        assert run(made, START) == run(nodes, START)


def test_what_differs_stays_apart() -> None:
    """Other words, other shapes, uneven distances, and what one makes for the next."""
    dst, src = (replace(block, counts=(SIDE // 2,)) for block in (RESULTS[1], BLOCKS[1]))
    nodes = nodes_of(
        scaled(RESULTS[0], BLOCKS[0]),
        scaled(RESULTS[2], BLOCKS[2], 2.0),
        scaled(dst, src),
    )
    assert len(gather(nodes, APART)) == len(nodes)
    # Two are at an even distance, whatever it is; the third one is not.
    uneven = zip(RESULTS[:3], (BLOCKS[0], BLOCKS[3], BLOCKS[1]), strict=True)
    nodes = nodes_of(*(scaled(d, s) for d, s in uneven))
    assert [len(node.views["dst"].shape) for node in gather(nodes, APART)] == [3, 2]
    chain = zip(BLOCKS[1:], BLOCKS, strict=False)
    nodes = nodes_of(*(scaled(d, s) for d, s in chain))
    assert len(gather(nodes, APART)) == len(nodes)


def test_large_ones_and_sums_that_go_on_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    adding = nodes_of(*ALL, *(isa.MatMul(dst, BLOCKS[0], BLOCKS[1], 1) for dst in SUMS))
    assert not any(node.is_batch for node in gather(adding, APART))
    monkeypatch.setattr(alike, "SMALL_MAX", SIDE * SIDE - 1)
    monkeypatch.setattr(alike, "PRODUCT_MAX", SIDE**3 - 1)
    for kind in ("add", "multiply"):
        nodes = nodes_of(*ones(kind))
        assert len(gather(nodes, APART)) == len(nodes)


def test_a_call_has_at_most_so_many_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "TOGETHER_MAX", 2 * SIDE * SIDE)
    made = gather(nodes_of(*ones("add")), APART)
    assert [node.views["dst"].shape for node in made] == [(2, SIDE, SIDE)] * 2


def test_a_bias_that_has_fewer_dimensions_is_left_alone() -> None:
    """With one dimension more it would be spread over another one."""
    wide = [replace(b, steps=(SIDE // 2, 1), counts=(2, SIDE // 2)) for b in (*RESULTS, *BLOCKS)]
    bias = on_chip(SBUF, 2, width=1)
    nodes = nodes_of(
        isa.DmaCopy(on_chip(SBUF, 2), in_hbm(READ_ONLY, 0, 0), 0),
        *(
            isa.Activation(d, s, bias, None, EXP, 1.0)
            for d, s in zip(wide[:4], wide[4:], strict=True)
        ),
    )
    assert len(gather(nodes, APART)) == len(nodes)
