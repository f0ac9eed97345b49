"""Gathered copies against running each copy as it stands."""

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
from neuronc.numerics import FUNCTIONS
from neuronc.runtime.accesses import Room
from neuronc.runtime.copies import merge_copies
from neuronc.runtime.nodes import Node, Spaces, node_of, spaces_of

F32 = BY_NAME["f32"].code
BYTES = 1 << 14
KERNEL = Kernel("copies", 2, {}, written=(1,))
APART = spaces_of(KERNEL, [Room(i, 0, BYTES) for i in range(2)])
SHARED = spaces_of(KERNEL, [Room(0, 0, BYTES), Room(0, 0, BYTES)])


def copy(dst: int, src: int, width: int = 3, into: int = 1) -> Node:
    """Two rows of `width` elements, from buffer 0, at byte offsets."""
    to = Operand(Memory.HBM, F32, dst, (8, 1), (2, width), into)
    from_ = Operand(Memory.HBM, F32, src, (16, 1), (2, width), 0)
    return node_of(Record(isa.DmaCopy(to, from_, 0), (), 0), KERNEL, TRN2.partitions)


def nest(outer: int, inner: int, dst: tuple[int, int], src: tuple[int, int]) -> list[Node]:
    """Copies in two loops that step through result and source."""
    pairs = [(i, j) for i in range(outer) for j in range(inner)]
    return [copy(i * dst[0] + j * dst[1], i * src[0] + j * src[1]) for i, j in pairs]


def adding(node: Node) -> Node:
    """The same, added to its result."""
    instr = node.instruction
    assert isinstance(instr, isa.DmaCopy)
    return replace(node, instruction=replace(instr, accumulate=FUNCTIONS["add"].code))


def run(nodes: list[Node]) -> bytes:
    """The buffer that is written, after the copies."""
    source = np.arange(BYTES // 4, dtype=np.float32).view(np.uint8)
    result = np.zeros(BYTES, np.uint8)
    spaces = [*[np.zeros(0, np.uint8)] * Memory.HBM, source, result]
    for node in nodes:
        np.copyto(node.views["dst"].on(spaces), node.views["src"].on(spaces))
    return result.tobytes()


def test_the_windows_of_a_convolution_become_one_copy() -> None:
    nodes = nest(6, 3, (192, 64), (512, 4))
    (merged,) = merge_copies(nodes, APART)
    assert merged.views["dst"].shape == (6, 3, 2, 3)
    assert run([merged]) == run(nodes)


@pytest.mark.parametrize(
    ("nodes", "spaces"),
    [
        (nest(1, 20, (0, 8), (0, 64)), APART),  # each result overwrites a part of the one before
        (nest(1, 20, (0, 64), (0, 64)), SHARED),  # a copy may read what another has written
        (nest(1, 15, (0, 64), (0, 64)), APART),  # too few
        ([*nest(1, 15, (0, 64), (0, 64)), copy(960, 960, width=4)], APART),  # shapes differ
        ([adding(n) for n in nest(1, 20, (0, 64), (0, 64))], APART),  # they add
    ],
)
def test_copies_that_are_no_loop_stay_apart(nodes: list[Node], spaces: Spaces) -> None:
    assert merge_copies(nodes, spaces) == nodes


@pytest.mark.parametrize("seed", range(100))
def test_gathering_changes_no_bit(seed: int) -> None:
    chance = np.random.default_rng(seed)
    nodes: list[Node] = []
    for _ in range(int(chance.integers(1, 6))):
        outer, inner = (int(n) for n in chance.integers(1, 8, 2))
        # Steps of a few elements overlap, and of many do not; some go backwards.
        a, b, c, d = (4 * int(n) for n in chance.integers(0, 60, 4))
        loop = nest(outer, inner, (a, b), (c, d))
        nodes += loop[:: -1 if chance.integers(4) == 0 else 1]
    merged = merge_copies(nodes, APART)
    assert len(merged) <= len(nodes)
    assert run(merged) == run(nodes)
