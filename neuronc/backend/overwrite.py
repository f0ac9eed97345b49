"""Whether a kernel may write a result over one of its operands, read off its blocks.

    for i { load x[i];  y = x - g;  store y[i] }        the store may go to x[i]
    for i { for j { load x[j];  ... };  store y[i] }    it may not: x[i] is read again

A kernel may where each load of the operand has its store: in the same loops, of the same bytes,
made of what was loaded, and no byte is stored twice. Then every byte is read before it is written,
whatever the order of the engines, because the store waits for what it is made of.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from xdsl.ir import Block, Operation, SSAValue

from neuronc.dialects.program import KernelOp
from neuronc.dialects.tile import DmaOp, ForOp, TileOp, block_type
from neuronc.dialects.types import element_type, shape_of
from neuronc.hardware import Generation
from neuronc.passes.tiled import Tiled


class Overwrites:
    """The pairs of one program's kernels."""

    def __init__(self, hw: Generation, tiled: Tiled) -> None:
        self._hw, self._tiled = hw, tiled
        self._blocks: dict[KernelOp, Block] = {}
        """What was asked for before: meanwhile no kernel changes."""

    def may(self, kernel: KernelOp, operand: int, result: int) -> bool:
        """Whether `result` may be computed in the buffer of `operand`."""
        last = kernel.body.block.last_op
        assert last is not None
        source, target = kernel.body.block.args[operand], last.operands[result]
        same = prod(shape_of(source)) == prod(shape_of(target))
        if not same or element_type(source) != element_type(target):
            return False
        block = self._block(kernel)
        inputs = len(kernel.body.block.args)
        return _matched(block.args[operand], block.args[inputs + result])

    def _block(self, kernel: KernelOp) -> Block:
        if kernel not in self._blocks:
            self._blocks[kernel] = self._tiled.of(kernel, self._hw).body.block
        return self._blocks[kernel]


def _matched(source: SSAValue, target: SSAValue) -> bool:
    """Whether every load of the buffer `source` has its store to the buffer `target`."""
    loads = [use.operation for use in source.uses]
    stores = [use.operation for use in target.uses]
    if not all(_is_copy(op, source, 1) for op in loads):
        return False
    if not all(_is_copy(op, target, 0) for op in stores):
        return False
    if sum(map(_elements, stores)) != prod(shape_of(target)):
        return False
    return all(any(_follows(store, load) for store in stores) for load in loads)


def _is_copy(op: Operation, buffer: SSAValue, index: int) -> bool:
    """Whether an op only moves this buffer's bytes to or from a block on chip."""
    if not isinstance(op, DmaOp) or "accumulate" in op.attributes:
        return False
    return op.operands[index] is buffer and block_type(op.operands[1 - index]) is not None


def _elements(store: Operation) -> int:
    """How many elements all runs of a store write, each counted as often as it is."""
    assert isinstance(store, DmaOp)
    count = prod(n for _, n in store.accesses[0].data.pairs)
    return count * prod(loop.count for loop in _loops(store))


def _loops(op: Operation) -> Iterator[ForOp]:
    parent = op.parent_op()
    while isinstance(parent, ForOp):
        yield parent
        parent = parent.parent_op()


def _follows(store: Operation, load: Operation) -> bool:
    """Whether a store writes the bytes that a load reads, from what was made of them."""
    assert isinstance(store, DmaOp)
    assert isinstance(load, DmaOp)
    if store.parent is not load.parent or store.accesses[0] != load.accesses[1]:
        return False
    return store.operands[1] in _made_of(load, store)


def _made_of(load: Operation, store: Operation) -> set[SSAValue]:
    """The blocks on chip that hold something of what was loaded when the store runs."""
    found = {load.operands[0]}
    following = load.next_op
    while following is not None and following is not store:
        for op in following.walk():
            if isinstance(op, TileOp) and found.intersection(op.operands[1:]):
                found.add(op.operands[0])
        following = following.next_op
    return found if following is store else set()
