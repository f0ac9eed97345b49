"""Forwarding and merging against running each record as it stands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neuronc.artifact.model import Kernel
from neuronc.dtypes import BY_NAME
from neuronc.hardware import TRN2
from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory, Operand
from neuronc.isa.records import Record
from neuronc.isa.table import Instruction
from neuronc.numerics import FUNCTIONS
from neuronc.runtime import packing, vectors
from neuronc.runtime import stack as stacking
from neuronc.runtime.accesses import Room, rooms_of
from neuronc.runtime.bind import BoundKernel
from neuronc.runtime.forward import forward
from neuronc.runtime.memory import Core
from neuronc.runtime.merge import merge_accumulations
from neuronc.runtime.nodes import Node, Places, node_of, spaces_of
from neuronc.runtime.views import View, compose

F32, BYTE = BY_NAME["f32"].code, BY_NAME["ui8"].code
ADD = FUNCTIONS["add"].code
SIDE = 8
"""Rows and columns of the blocks below."""
BUFFER_BYTES = 4 * 4 * SIDE * SIDE
READ_ONLY, WRITTEN = 0, 1
KERNEL = Kernel("random", 2, {}, written=(WRITTEN,))


def on_chip(memory: Memory, tile: int, column: int = 0, width: int = SIDE, row: int = 0) -> Operand:
    """A block of tile number `tile`, which is 3 SIDE partitions by 4 SIDE columns."""
    size, at = 4 * 4 * SIDE, 4 * column
    return Operand(memory, F32, at, (1,), (width,), 0, row, SIDE, tile * size, size)


def in_hbm(buffer: int, row: int, column: int) -> Operand:
    """A block of a buffer of 2 SIDE rows and columns."""
    at = 4 * (2 * SIDE * row + column)
    return Operand(Memory.HBM, F32, at, (2 * SIDE, 1), (SIDE, SIDE), buffer)


def some(chance: np.random.Generator, memory: Memory) -> Operand:
    """A block of three tiles, some of them half a block apart so that blocks overlap."""
    tile, half, row = (int(chance.integers(n)) for n in (3, 7, 6))
    return on_chip(memory, tile, half * SIDE // 2, row=max(0, row - 3) * SIDE)


def hbm(chance: np.random.Generator, buffer: int) -> Operand:
    row, column = (int(n) * SIDE // 2 for n in chance.integers(0, 3, 2))
    return in_hbm(buffer, row, column)


def instruction(chance: np.random.Generator) -> Instruction:
    """A random instruction: mostly copies."""
    sbuf, psum = Memory.SBUF, Memory.PSUM
    match int(chance.integers(8)):
        case 0 | 1:
            return isa.DmaCopy(some(chance, sbuf), hbm(chance, int(chance.integers(2))), 0)
        case 2:
            return isa.Transpose(some(chance, psum), some(chance, sbuf))
        case 3:
            return isa.Copy(some(chance, sbuf), some(chance, psum))
        case 4:
            return isa.Copy(some(chance, sbuf), some(chance, sbuf))
        case 5:
            blocks = some(chance, sbuf), some(chance, sbuf), some(chance, psum)
            return isa.TensorTensor(*blocks, ADD)
        case 6:
            accumulate = int(chance.integers(4) > 0)
            dst, left, moving = some(chance, psum), some(chance, sbuf), some(chance, sbuf)
            match int(chance.integers(4)):
                case 0:
                    dst, moving = replace(dst, counts=(1,)), replace(moving, counts=(1,))
                case 1:
                    dst, left = replace(dst, partitions=1), replace(left, counts=(1,))
                case _:
                    pass
            return isa.MatMul(dst, left, moving, accumulate)
        case _:
            return isa.DmaCopy(hbm(chance, WRITTEN), some(chance, sbuf), 0)


APART = spaces_of(KERNEL, [Room(i, 0, BUFFER_BYTES) for i in range(2)])
"""The two buffers share no bytes."""


def nodes_of(*instructions: Instruction) -> list[Node]:
    """The nodes of records that run in this order."""
    return [node_of(Record(i, (), 0), KERNEL, TRN2.partitions) for i in instructions]


def run(nodes: list[Node], start: np.ndarray, room: int = 0) -> bytes:
    """The buffer that is written, after running nodes on small whole numbers."""
    core = Core.of(TRN2)
    core.sbuf.view(np.float32)[:] = 1
    core.psum.view(np.float32)[:] = 2
    buffers = [start[0].copy().view(np.uint8), start[1].copy().view(np.uint8)]
    bound = BoundKernel(KERNEL, core, (), [], literal=True)
    host = np.zeros(room, np.uint8)
    for node in nodes:
        bound.call(node, buffers, host)()
        for memory in (core.sbuf, core.psum, buffers[WRITTEN], host):
            # Whole numbers modulo 7: sums of products are exact, and the same however grouped.
            values = memory.view(np.float32)[: 3 * 128 * 4 * SIDE]
            np.mod(values, 7, out=values)
    return buffers[WRITTEN].tobytes()


@pytest.mark.parametrize("seed", range(300))
def test_what_is_forwarded_merged_and_stacked_changes_no_bit(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = np.random.default_rng(seed)
    records = [Record(instruction(chance), (), 0) for _ in range(int(chance.integers(5, 80)))]
    start = chance.integers(0, 7, (2, BUFFER_BYTES // 4)).astype(np.float32)
    spaces = spaces_of(KERNEL, rooms_of([row.view(np.uint8) for row in start]))
    nodes = [node_of(record, KERNEL, TRN2.partitions) for record in records]
    literal, forwarded = run(nodes, start), forward(nodes, spaces)
    assert run(forwarded, start) == literal
    places = Places(spaces)
    merged = merge_accumulations(forwarded, places)
    assert run(merged, start) == literal
    monkeypatch.setattr(stacking, "STACK_MIN", int(chance.integers(2)) << 40)
    monkeypatch.setattr(packing, "ROOM_BYTES", int(chance.integers(1, 8)) << 8)
    monkeypatch.setattr(vectors, "THIN_MIN", int(chance.integers(2)) << 40)
    monkeypatch.setattr(vectors, "MATRIX_MAX", int(chance.integers(1, 8)) * SIDE * SIDE)
    stacked, room = stacking.stack(merged, places)
    assert run(stacked, start, room) == literal


def test_a_matmul_reads_a_transposed_weight_where_it_lies() -> None:
    psum, sbuf = Memory.PSUM, Memory.SBUF
    nodes = nodes_of(
        isa.DmaCopy(on_chip(sbuf, 0), in_hbm(READ_ONLY, 0, 0), 0),
        isa.Transpose(on_chip(psum, 0), on_chip(sbuf, 0)),
        isa.Copy(on_chip(sbuf, 1), on_chip(psum, 0)),
        isa.MatMul(on_chip(psum, 1), on_chip(sbuf, 1), on_chip(sbuf, 1), 0),
        isa.DmaCopy(in_hbm(WRITTEN, 0, 0), on_chip(psum, 1), 0),
    )
    matmul, _ = forward(nodes, APART)
    weight = View(Memory.HBM + READ_ONLY, F32, 0, (SIDE, SIDE), (4, 8 * SIDE))
    assert matmul.views["left"] == matmul.views["moving"] == weight


def test_a_source_that_is_overwritten_is_not_read_again() -> None:
    nodes = nodes_of(
        isa.DmaCopy(on_chip(Memory.SBUF, 0), in_hbm(READ_ONLY, 0, 0), 0),
        isa.DmaCopy(in_hbm(WRITTEN, 0, 0), in_hbm(READ_ONLY, SIDE, SIDE), 0),
        isa.DmaCopy(on_chip(Memory.SBUF, 1), in_hbm(WRITTEN, 0, 0), 0),
        isa.DmaCopy(in_hbm(WRITTEN, 0, 0), on_chip(Memory.SBUF, 0), 0),
        isa.DmaCopy(in_hbm(WRITTEN, SIDE, SIDE), on_chip(Memory.SBUF, 1), 0),
    )
    sources = [node.views["src"].offset for node in forward(nodes, APART)]
    block = 4 * (2 * SIDE * SIDE + SIDE)
    assert sources == [block, 0, block]


def test_tiles_along_k_become_one_matmul() -> None:
    psum, sbuf = Memory.PSUM, Memory.SBUF
    nodes = nodes_of(
        *(isa.DmaCopy(on_chip(sbuf, i), in_hbm(READ_ONLY, i * SIDE, 0), 0) for i in range(2)),
        *(isa.MatMul(on_chip(psum, 0), on_chip(sbuf, i), on_chip(sbuf, i), i) for i in range(2)),
        isa.DmaCopy(in_hbm(WRITTEN, 0, 0), on_chip(psum, 0), 0),
    )
    merged = merge_accumulations(forward(nodes, APART), Places(APART))
    (matmul, _), _ = stacking.stack(merged, Places(APART))
    assert matmul.views["left"].shape == (2 * SIDE, SIDE)


def test_a_result_that_is_read_between_two_matmuls_keeps_them_apart() -> None:
    psum, sbuf = Memory.PSUM, Memory.SBUF
    nodes = nodes_of(
        *(isa.DmaCopy(on_chip(sbuf, i), in_hbm(READ_ONLY, i * SIDE, 0), 0) for i in range(2)),
        isa.MatMul(on_chip(psum, 0), on_chip(sbuf, 0), on_chip(sbuf, 0), 0),
        isa.DmaCopy(in_hbm(WRITTEN, 0, 0), on_chip(psum, 0), 0),
        isa.MatMul(on_chip(psum, 0), on_chip(sbuf, 1), on_chip(sbuf, 1), 1),
        isa.DmaCopy(in_hbm(WRITTEN, SIDE, SIDE), on_chip(psum, 0), 0),
    )
    assert len(merge_accumulations(forward(nodes, APART), Places(APART))) == 4


@pytest.mark.parametrize("seed", range(100))
def test_a_composed_view_is_the_view_of_the_source(seed: int) -> None:
    """By what the elements of the source are called, all offsets counted in bytes of one byte."""
    chance = np.random.default_rng(seed)
    shape = tuple(int(n) for n in chance.integers(1, 5, 3))
    order = chance.permutation(3)
    padded = [n + int(chance.integers(3)) for n in shape]
    dst = strided(shape, padded, [0, 1, 2])
    src = strided(shape, [n + int(chance.integers(3)) for n in shape], order.tolist())
    memory = np.full(1 << 12, 255, np.int64)
    source = np.arange(1 << 12)
    array(dst, memory)[...] = array(src, source)
    starts = [int(chance.integers(n)) for n in shape]
    counts = tuple(int(chance.integers(1, n - s + 1)) for n, s in zip(shape, starts, strict=True))
    offset = sum(s * step for s, step in zip(starts, dst.strides, strict=True))
    reader = View(0, BYTE, offset, counts, dst.strides)
    found = compose(reader, dst, src)
    assert found is not None
    assert (array(found, source) == array(reader, memory)).all()
    beyond = View(0, BYTE, offset, (shape[0] - starts[0] + 1, *counts[1:]), dst.strides)
    assert compose(beyond, dst, src) is None


def strided(shape: tuple[int, ...], padded: list[int], order: list[int]) -> View:
    """A view of bytes whose dimensions lie in the given order, the last one innermost."""
    strides, step = [0, 0, 0], 1
    for axis in reversed(order):
        strides[axis], step = step, step * padded[axis]
    return View(0, BYTE, 0, shape, tuple(strides))


def array(view: View, memory: np.ndarray) -> np.ndarray:
    steps = tuple(s * memory.itemsize for s in view.strides)
    return np.ndarray(view.shape, memory.dtype, memory, view.offset * memory.itemsize, steps)
