"""What the rewrites of neighbouring tile ops share: who made a block, and is anyone else reading.

A block qualifies when one map wrote it whole, one op of the same loop body reads it whole, and
nothing else touches it; then the two ops may become one.
"""

from __future__ import annotations

from collections.abc import Callable

from xdsl.dialects.builtin import ArrayAttr, IntAttr, StringAttr
from xdsl.ir import Attribute, Block, Operation, SSAValue

from neuronc.dialects.access import AccessAttr
from neuronc.dialects.tile import AllocOp, ForOp, KernelOp, MapOp, TileOp, block_type, int_of

Slots = dict[str, tuple[SSAValue, AccessAttr]]
VECTOR_BINARY = frozenset(
    (
        *("add", "subtract", "multiply", "divide", "maximum", "minimum"),
        *("and", "or", "xor", "eq", "ne", "ge", "gt", "le", "lt"),
    )
)
"""Functions of the vector engine's arithmetic unit (hardware.md 2.2)."""
_FLOAT32 = "f32"


def rewrite_kernels(module: Operation, rewrite: Callable[[TileOp], bool]) -> None:
    """Offer every tile op of every kernel to `rewrite`, in order."""
    for kernel in module.regions[0].block.ops:
        if isinstance(kernel, KernelOp):
            _rewrite_block(kernel.body.block, rewrite)


def _rewrite_block(block: Block, rewrite: Callable[[TileOp], bool]) -> None:
    for op in list(block.ops):
        if isinstance(op, ForOp):
            _rewrite_block(op.body.block, rewrite)
        elif isinstance(op, TileOp):
            rewrite(op)


def producer(op: TileOp, index: int) -> MapOp | None:
    """The map that made operand `index` of `op` for it alone, or None."""
    value, access = op.operands[index], op.accesses[index]
    if not isinstance(value.owner, AllocOp):
        return None
    users = [use.operation for use in value.uses]
    if len(users) != 2 or users.count(op) != 1:
        return None
    maker = users[0] if users[1] is op else users[1]
    if not isinstance(maker, MapOp) or maker.parent is not op.parent:
        return None
    made_whole = maker.operands[0] is value and maker.accesses[0] == access
    return maker if made_whole else None


def is_float32(op: TileOp) -> bool:
    """Whether every block is float32, so that one instruction rounds as two would."""
    kinds = [block_type(v) for v in op.operands]
    return all(k is not None and k.element.data == _FLOAT32 for k in kinds)


def scalar_form(op: MapOp) -> tuple[Slots, dict[str, Attribute]] | None:
    """A vector-engine map of a block and a scalar: its operands, function, immediate and order.

    The scalar is an immediate or a column of a block.
    """
    function = op.attributes["function"]
    assert isinstance(function, StringAttr)
    if function.data not in VECTOR_BINARY or not is_float32(op):
        return None
    pairs = list(zip(op.operands, op.accesses, strict=True))
    words: dict[str, Attribute] = {"function": function}
    if "immediate" in op.attributes:
        words["immediate"] = op.attributes["immediate"]
        words["reverse"] = IntAttr(int(int_of(op, "immediate_at") == 0))
        return {"dst": pairs[0], "src": pairs[1]}, words
    if len(pairs) != 3:
        return None
    flat = [a.data.is_column for _, a in pairs[1:]]
    if flat == [False, True]:
        return {"dst": pairs[0], "src": pairs[1], "scalar": pairs[2]}, words
    if flat == [True, False]:
        words["reverse"] = IntAttr(1)
        return {"dst": pairs[0], "src": pairs[2], "scalar": pairs[1]}, words
    return None


def put(op: TileOp, cls: type[TileOp], slots: Slots, words: dict[str, Attribute]) -> None:
    """Replace `op` by an op of `cls` with named operand fields."""
    kept = {k: v for k, v in op.attributes.items() if k in ("loc", "source")}
    new = cls.create(
        operands=[value for value, _ in slots.values()],
        attributes={
            **kept,
            **words,
            "slots": ArrayAttr([StringAttr(name) for name in slots]),
            "access": ArrayAttr([access for _, access in slots.values()]),
        },
    )
    block = op.parent
    assert block is not None
    block.insert_op_before(new, op)
    erase(op)


def erase(op: Operation) -> None:
    """Take an op out of its block."""
    op.detach()
    op.erase()


def drop_block(value: SSAValue) -> None:
    """Erase the alloc of a block that nothing uses any more."""
    alloc = value.owner
    if isinstance(alloc, AllocOp) and not alloc.block.uses.get_length():
        erase(alloc)
