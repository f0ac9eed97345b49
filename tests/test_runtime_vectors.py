"""Products with a vector put together: which calls they become, and their values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from neuronc.artifact.model import Kernel
from neuronc.dtypes import BY_NAME
from neuronc.hardware import TRN2
from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory, Operand
from neuronc.isa.records import Record
from neuronc.isa.table import Instruction
from neuronc.runtime.accesses import Room
from neuronc.runtime.bind import BoundKernel
from neuronc.runtime.forward import forward
from neuronc.runtime.memory import Core
from neuronc.runtime.merge import merge_accumulations
from neuronc.runtime.nodes import Node, Places, node_of, spaces_of
from neuronc.runtime.stack import stack

ROWS, BLOCKS, PARTS = TRN2.partitions, 4, 4
DEPTH, COLUMNS = PARTS * ROWS, BLOCKS * ROWS
WEIGHTS, VECTOR, OUT = 0, 1, 2
KERNEL = Kernel("products", 3, {}, written=(OUT,))
SPACES = spaces_of(KERNEL, [Room(i, 0, 1 << 30) for i in range(3)])
F32 = BY_NAME["f32"].code
EPS = float(np.finfo(np.float32).eps)


def tile(memory: Memory, start: int, width: int, inside: int = 0, rows: int = ROWS) -> Operand:
    """One column, at byte `inside` of a tile that is `width` floats wide."""
    return Operand(memory, F32, inside, (1,), (1,), 0, 0, rows, start, 4 * width)


def hbm(buffer: int, offset: int, *counts: int) -> Operand:
    """A block of a matrix of `COLUMNS` columns, or a column of its own."""
    steps = (COLUMNS, 1) if len(counts) == 2 else (1,)
    return Operand(Memory.HBM, F32, offset, steps, counts, buffer)


def weights(k: int, block: int) -> tuple[Operand, Instruction]:
    """A tile of weights, and how it gets there."""
    start = 4096 + 512 * (k * BLOCKS + block)
    there = Operand(Memory.SBUF, F32, 0, (1,), (ROWS,), 0, 0, ROWS, start, 512)
    at = 4 * (k * ROWS * COLUMNS + block * ROWS)
    return there, isa.DmaCopy(there, hbm(WEIGHTS, at, ROWS, ROWS), 0)


def program(by_row: bool, banks: int) -> list[Instruction]:
    """out = x @ weights, 128 columns a product, in turns over so many PSUM banks."""
    xs = [tile(Memory.SBUF, 0, PARTS, 4 * k) for k in range(PARTS)]
    out: list[Instruction] = []
    for k, x in enumerate(xs):
        src = Operand(Memory.HBM, F32, 4 * k * ROWS, (1, 1), (ROWS, 1), VECTOR)
        out.append(isa.DmaCopy(x, src, 0))
    for block in range(BLOCKS):
        start = 2048 * (block % banks)
        if by_row:
            sums = Operand(Memory.PSUM, F32, 0, (1,), (ROWS,), 0, 0, 1, start, 2048)
        else:
            sums = tile(Memory.PSUM, start, 512)
        for k, x in enumerate(xs):
            w, load = weights(k, block)
            out += [load, isa.MatMul(sums, *((x, w) if by_row else (w, x)), int(k > 0))]
        steps, counts = ((ROWS, 1), (1, ROWS)) if by_row else ((1, 1), (ROWS, 1))
        place = Operand(Memory.HBM, F32, 4 * block * ROWS, steps, counts, OUT)
        out.append(isa.DmaCopy(place, sums, 0))
    return out


def nodes_of(instructions: Sequence[Instruction]) -> list[Node]:
    nodes = [node_of(Record(i, (), 0), KERNEL, TRN2.partitions) for i in instructions]
    return merge_accumulations(forward(nodes, SPACES), Places(SPACES))


def run(nodes: Sequence[Node], room: int, matrix: np.ndarray, x: np.ndarray) -> np.ndarray:
    core, host = Core.of(TRN2), np.zeros(room, np.uint8)
    out = np.zeros(COLUMNS, np.float32)
    buffers = [array.view(np.uint8).reshape(-1) for array in (matrix, x, out)]
    bound = BoundKernel(KERNEL, core, (), [], literal=True)
    for node in nodes:
        bound.call(node, buffers, host)()
    return out


@pytest.mark.parametrize("by_row", [False, True])
@pytest.mark.parametrize(("banks", "calls"), [(4, 1), (2, 2), (1, 4)])
def test_neighbouring_blocks_are_one_product(by_row: bool, banks: int, calls: int) -> None:
    """Blocks that wait for each other's bank stay apart. The sums are BLAS's: K roundings."""
    chance = np.random.default_rng(0)
    matrix = chance.standard_normal((DEPTH, COLUMNS)).astype(np.float32)
    x = chance.standard_normal(DEPTH).astype(np.float32)
    nodes, room = stack(nodes_of(program(by_row, banks)), Places(SPACES))
    products = [node for node in nodes if node.multiplies]
    assert [node.views["dst"].size for node in products] == [COLUMNS // calls] * calls
    assert all(node.depth == DEPTH for node in products)
    exact = x.astype(np.float64) @ matrix.astype(np.float64)
    size = np.abs(x).astype(np.float64) @ np.abs(matrix).astype(np.float64)
    assert (np.abs(run(nodes, room, matrix, x) - exact) <= DEPTH * EPS * size).all()


def test_a_vector_is_copied_once_for_all_its_products() -> None:
    nodes, _ = stack(nodes_of(program(False, 1)), Places(SPACES))
    moving = {node.views["moving"] for node in nodes if node.multiplies}
    assert len(moving) == 1


def test_a_call_is_of_a_matrix_that_two_workers_can_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neuronc.runtime.vectors.MATRIX_MAX", DEPTH * COLUMNS // 2)
    nodes, _ = stack(nodes_of(program(False, 4)), Places(SPACES))
    assert [n.views["dst"].size for n in nodes if n.multiplies] == [COLUMNS // 2] * 2


def test_a_block_that_has_no_room_is_multiplied_where_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("neuronc.runtime.packing.ROOM_BYTES", 64)
    chance = np.random.default_rng(1)
    matrix = chance.standard_normal((DEPTH, COLUMNS)).astype(np.float32)
    x = chance.standard_normal(DEPTH).astype(np.float32)
    nodes, room = stack(nodes_of(program(False, 4)), Places(SPACES))
    exact = x.astype(np.float64) @ matrix.astype(np.float64)
    size = np.abs(x).astype(np.float64) @ np.abs(matrix).astype(np.float64)
    assert (np.abs(run(nodes, room, matrix, x) - exact) <= DEPTH * EPS * size).all()
