"""Load once what several runs of a loop, or several blocks, load alike.

    for rows { load b[128, N] from b (step 0);  add x, b }
  becomes
    load b[128, N] from b;  for rows { add x, b }

A load that does not move with the loop around it goes in front of it, and of equal loads in one
block the first serves all. It applies to blocks that only loads fill, from buffers that the kernel
does not write, as long as an eighth of SBUF is enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from xdsl.dialects.builtin import ArrayAttr, StringAttr
from xdsl.ir import Block, Operation, SSAValue

from neuronc.dialects.access import Access, AccessAttr, Affine
from neuronc.dialects.tile import (
    AllocOp,
    DmaOp,
    ForOp,
    KernelOp,
    TileOp,
    array_of,
    block_type,
)
from neuronc.dtypes import BY_NAME
from neuronc.hardware import Generation


def hoist_loads(kernel: KernelOp, hw: Generation) -> None:
    """Move and share the loads of one kernel, in place."""
    block = kernel.body.block
    room = _Room(hw.sbuf_bytes_per_partition // 8)
    written = {op.operands[0] for op in block.walk() if isinstance(op, TileOp) and op.operands}
    _visit(block, 0, written, room)


@dataclass
class _Room:
    """Bytes of a partition that loads may still take for longer than before."""

    bytes: int

    def takes(self, size: int) -> bool:
        if size > self.bytes:
            return False
        self.bytes -= size
        return True


@dataclass(frozen=True)
class _Load:
    """A block on chip, and the transfers that fill it."""

    alloc: AllocOp
    transfers: tuple[DmaOp, ...]

    @property
    def key(self) -> object:
        """What equal loads share."""
        rows = [(op.operands[1], op.attributes["access"]) for op in self.transfers]
        return self.alloc.block.type, tuple(rows)

    @property
    def bytes(self) -> int:
        """What the block takes of a partition."""
        return _bytes(self.alloc)

    def moves_with(self, depth: int) -> bool:
        """Whether some transfer depends on the loop at `depth`."""
        accesses = [a for op in self.transfers for a in op.accesses]
        return any(_coefficient(a.data.offset, depth) for a in accesses)


def _visit(block: Block, depth: int, written: set[SSAValue], room: _Room) -> None:
    """Hoist out of the loops of a block, innermost first; then share what it loads."""
    for op in list(block.ops):
        if isinstance(op, ForOp):
            _visit(op.body.block, depth + 1, written, room)
            for load in _loads(op.body.block, written):
                if not load.moves_with(depth) and room.takes(load.bytes):
                    _move(load, block, op, depth)
    _share(block, written, room)


def _loads(block: Block, written: set[SSAValue]) -> Iterator[_Load]:
    """The blocks that are filled in this block of ops, and by loads alone."""
    order = {op: i for i, op in enumerate(block.ops)}
    for alloc in [op for op in order if isinstance(op, AllocOp)]:
        writers = [u.operation for u in alloc.block.uses if _writes(u.operation, u.index)]
        loads = [op for op in writers if isinstance(op, DmaOp) and _is_load(op, block, written)]
        if loads and len(loads) == len(writers):
            yield _Load(alloc, tuple(sorted(loads, key=order.__getitem__)))


def _writes(op: Operation, index: int) -> bool:
    """Whether an op writes its operand `index`: the first, and the sums of an activation."""
    if index == 0 or not isinstance(op, TileOp) or "slots" not in op.attributes:
        return index == 0
    return array_of(op, "slots")[index] == StringAttr("row_sum")


def _is_load(op: DmaOp, block: Block, written: set[SSAValue]) -> bool:
    source = op.operands[1]
    plain = "accumulate" not in op.attributes and op.parent is block
    return plain and block_type(source) is None and source not in written


def _move(load: _Load, block: Block, before: ForOp, depth: int) -> None:
    """Put a load in front of a loop."""
    for op in (load.alloc, *load.transfers):
        op.detach()
        block.insert_op_before(op, before)
    for op in load.transfers:
        accesses = [AccessAttr(_outside(a.data, depth)) for a in op.accesses]
        op.attributes["access"] = ArrayAttr(accesses)


def _outside(access: Access, depth: int) -> Access:
    """The same access where the loop at `depth` is not open."""
    offset = access.offset
    return replace(access, offset=Affine(offset.constant, offset.coefficients[:depth]))


def _share(block: Block, written: set[SSAValue], room: _Room) -> None:
    """Let the first of equal loads serve the readers of all."""
    first: dict[object, _Load] = {}
    for load in _loads(block, written):
        kept = first.setdefault(load.key, load)
        if kept is load or not room.takes(load.bytes):
            continue
        for op in load.transfers:
            op.detach()
            op.erase()
        load.alloc.block.replace_all_uses_with(kept.alloc.block)
        load.alloc.detach()
        load.alloc.erase()


def _coefficient(offset: Affine, depth: int) -> int:
    return offset.coefficients[depth] if depth < len(offset.coefficients) else 0


def _bytes(alloc: AllocOp) -> int:
    kind = block_type(alloc.block)
    assert kind is not None
    return kind.columns.data * BY_NAME[kind.element.data].bytes
