"""When values live: the order of ops, and who reads a buffer, also through reshapes."""

from __future__ import annotations

from xdsl.ir import Block, Operation, SSAValue

from neuronc.dialects.stablehlo.movement import ReshapeOp


def spans(block: Block) -> dict[Operation, tuple[int, int]]:
    """[start, stop) of every op and all inside it, in program order."""
    spans: dict[Operation, tuple[int, int]] = {}
    count = 0

    def visit(op: Operation) -> None:
        nonlocal count
        start, count = count, count + 1
        for region in op.regions:
            for inner in region.block.ops:
                visit(inner)
        spans[op] = (start, count)

    for op in block.ops:
        visit(op)
    return spans


def root(value: SSAValue) -> SSAValue:
    """The value whose buffer this is, through reshapes."""
    while isinstance(value.owner, ReshapeOp):
        value = value.owner.operands[0]
    return value


def readers(value: SSAValue) -> list[Operation]:
    """The ops that read the value's buffer, also through reshapes."""
    out: list[Operation] = []
    for use in value.uses:
        if isinstance(use.operation, ReshapeOp):
            out += readers(use.operation.results[0])
        out.append(use.operation)
    return out


def ancestor(op: Operation, block: Block) -> Operation:
    """The op of `block` that `op` is, or is inside of."""
    while op.parent is not block:
        parent = op.parent_op()
        assert parent is not None
        op = parent
    return op
