"""Products stacked and operands copied together: which calls they become, and their values."""

from __future__ import annotations

from collections.abc import Sequence

import ml_dtypes
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
from neuronc.runtime.memory import Core
from neuronc.runtime.merge import merge_accumulations
from neuronc.runtime.nodes import HOST, Node, Places, node_of, spaces_of
from neuronc.runtime.stack import ROWS_MAX, stack
from neuronc.runtime.views import View

ROWS, DEPTH, COLUMNS, BLOCKS = TRN2.partitions, 256, 512, 4
LEFT, RIGHT, OUT = 0, 1, 2
KERNEL = Kernel("products", 3, {}, written=(OUT,))
SPACES = spaces_of(KERNEL, [Room(i, 0, 1 << 30) for i in range(3)])
EPS = float(np.finfo(np.float32).eps)


def chip(
    memory: Memory, dtype: str, start: int, width: int, inside: int = 0, pitch: int = 0
) -> Operand:
    """`width` columns from byte `inside` of a tile at byte `start` of each partition."""
    kind = BY_NAME[dtype]
    pitch = pitch or width * kind.bytes
    return Operand(memory, kind.code, inside, (1,), (width,), 0, 0, ROWS, start, pitch)


def hbm(buffer: int, dtype: str, row: int, width: int) -> Operand:
    """A block of rows of a matrix of `width` columns."""
    kind = BY_NAME[dtype]
    at = row * width * kind.bytes
    return Operand(Memory.HBM, kind.code, at, (width, 1), (ROWS, width), buffer)


def program(dtype: str) -> list[Instruction]:
    """out[512, 512] = left[512, 256] @ right[256, 512], a row block of left in each partition."""
    size = BY_NAME[dtype].bytes
    out: list[Instruction] = []
    pitch, weights = BLOCKS * DEPTH * size, BLOCKS * DEPTH * size * 2
    for i in range(BLOCKS):
        tile = chip(Memory.SBUF, dtype, 0, DEPTH, i * DEPTH * size, pitch)
        out.append(isa.DmaCopy(tile, hbm(LEFT, dtype, i * ROWS, DEPTH), 0))
    for k in range(DEPTH // ROWS):
        tile = chip(Memory.SBUF, dtype, weights + k * COLUMNS * size, COLUMNS)
        out.append(isa.DmaCopy(tile, hbm(RIGHT, dtype, k * ROWS, COLUMNS), 0))
    turned = weights + 2 * COLUMNS * size
    for i in range(BLOCKS):
        for k in range(DEPTH // ROWS):
            at = turned + (i * DEPTH // ROWS + k) * ROWS * size
            src = chip(Memory.SBUF, dtype, 0, ROWS, (i * DEPTH + k * ROWS) * size, pitch)
            between = chip(Memory.PSUM, dtype, BLOCKS * COLUMNS * 4, ROWS)
            out.append(isa.Transpose(between, src))
            out.append(isa.Copy(chip(Memory.SBUF, dtype, at, ROWS), between))
    for i in range(BLOCKS):
        bank = chip(Memory.PSUM, "f32", i * COLUMNS * 4, COLUMNS)
        for k in range(DEPTH // ROWS):
            left = chip(Memory.SBUF, dtype, turned + (i * DEPTH // ROWS + k) * ROWS * size, ROWS)
            moving = chip(Memory.SBUF, dtype, weights + k * COLUMNS * size, COLUMNS)
            out.append(isa.MatMul(bank, left, moving, int(k > 0)))
        out.append(isa.DmaCopy(hbm(OUT, "f32", i * ROWS, COLUMNS), bank, 0))
    return out


def nodes_of(instructions: Sequence[Instruction]) -> list[Node]:
    nodes = [node_of(Record(i, (), 0), KERNEL, TRN2.partitions) for i in instructions]
    return merge_accumulations(nodes, Places(SPACES))


def run(nodes: Sequence[Node], room: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    core, host = Core.of(TRN2), np.zeros(room, np.uint8)
    out = np.zeros((BLOCKS * ROWS, COLUMNS), np.float32)
    buffers = [array.view(np.uint8).reshape(-1) for array in (left, right, out)]
    bound = BoundKernel(KERNEL, core, (), [], literal=True)
    for node in nodes:
        bound.call(node, buffers, host)()
    return out


def packs(nodes: Sequence[Node]) -> list[View]:
    """What is copied to memory of the host."""
    views = [node.views["dst"] for node in nodes if "dst" in node.views]
    return [view for view in views if view.space == HOST]


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_row_blocks_of_neighbouring_banks_are_one_product(dtype: str) -> None:
    """The sums are BLAS's: K roundings of at most the sum of the magnitudes."""
    chance = np.random.default_rng(0)
    kind = np.float32 if dtype == "f32" else ml_dtypes.bfloat16
    left = chance.standard_normal((BLOCKS * ROWS, DEPTH)).astype(kind)
    right = chance.standard_normal((DEPTH, COLUMNS)).astype(kind)
    nodes, room = stack(nodes_of(program(dtype)), Places(SPACES))
    products = [node for node in nodes if node.multiplies]
    assert [node.views["dst"].shape[0] for node in products] == [ROWS_MAX, ROWS_MAX]
    assert all(node.views["left"].shape[0] == DEPTH for node in products)
    exact = left.astype(np.float64) @ right.astype(np.float64)
    size = np.abs(left.astype(np.float64)) @ np.abs(right.astype(np.float64))
    assert (np.abs(run(nodes, room, left, right) - exact) <= DEPTH * EPS * size).all()


def test_an_operand_is_copied_once_for_all_its_products() -> None:
    nodes, _ = stack(nodes_of(program("bf16")), Places(SPACES))
    moving = [node.views["moving"] for node in nodes if node.multiplies]
    assert len(set(moving)) == 1
    assert sum(view.shape[1] == COLUMNS for view in packs(nodes)) == 1


def test_an_operand_that_changed_is_copied_again() -> None:
    once = program("bf16")
    weights = [i for i in once if isinstance(i, isa.DmaCopy) and i.src.buffer == RIGHT]
    nodes, _ = stack(nodes_of([*once, weights[0], *once[-3 * BLOCKS :]]), Places(SPACES))
    assert sum(view.shape[1] == COLUMNS for view in packs(nodes)) == 2


@pytest.mark.parametrize("room", [1 << 17, 600_000, 3 << 18, 900_000, 1 << 20, 1 << 21])
def test_a_copy_that_lost_its_room_is_not_read(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two row blocks of left take 256 KiB, right 512 KiB, and right is loaded anew in between."""
    monkeypatch.setattr("neuronc.runtime.packing.ROOM_BYTES", room)
    chance = np.random.default_rng(1)
    left = chance.standard_normal((BLOCKS * ROWS, DEPTH)).astype(ml_dtypes.bfloat16)
    right = chance.standard_normal((DEPTH, COLUMNS)).astype(ml_dtypes.bfloat16)
    once = program("bf16")
    weights = [i for i in once if isinstance(i, isa.DmaCopy) and i.src.buffer == RIGHT]
    nodes, used = stack(nodes_of([*once, *weights, *once[-3 * BLOCKS :]]), Places(SPACES))
    assert used <= room
    exact = left.astype(np.float64) @ right.astype(np.float64)
    size = np.abs(left.astype(np.float64)) @ np.abs(right.astype(np.float64))
    assert (np.abs(run(nodes, used, left, right) - exact) <= DEPTH * EPS * size).all()


def test_small_products_of_floats_that_blas_takes_are_left_alone() -> None:
    psum, sbuf = chip(Memory.PSUM, "f32", 0, 64), chip(Memory.SBUF, "f32", 0, 64)
    nodes = nodes_of([isa.MatMul(psum, chip(Memory.SBUF, "f32", 256, ROWS), sbuf, 0)])
    stacked, room = stack(nodes, Places(SPACES))
    assert (room, [node.views for node in stacked]) == (0, [node.views for node in nodes])
