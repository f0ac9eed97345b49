"""Take some ops out of a block as a block of their own, with what they read and hand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import Block, Operation, SSAValue

from neuronc.dialects.program import YieldOp
from neuronc.dialects.stablehlo.constant import ConstantOp
from neuronc.dialects.types import shape_of
from neuronc.passes.classify import ATTENTION, CONTRACT, INDEX, LIBRARY, MAP, is_counted
from neuronc.passes.views import is_view_op, splat_of


@dataclass(frozen=True)
class Part:
    """Some ops in a block of their own: its arguments stand for `inputs`, its end yields `outputs`.

    Of a copy, `outputs` are the results of the original ops.
    """

    block: Block
    inputs: list[SSAValue]
    outputs: list[SSAValue]


def extract(kind: str, ops: Sequence[Operation], leaves: Sequence[SSAValue] = ()) -> Part:
    """Copy `ops`, in order, with the views, iotas and splats they read, as a kernel of `kind`.

    It hands out `leaves`; if none are given, what other ops use.
    """
    block, mapping = Block(), dict[SSAValue, SSAValue]()
    copier = _Copier(kind, block, [], mapping)
    for op in ops:
        for value in op.operands:
            copier.bring(value)
        block.add_op(op.clone(mapping))
    outputs: list[SSAValue] = list(leaves)
    outputs = outputs or [v for op in ops for v in op.results if _leaves(v, set(ops))]
    if kind == LIBRARY or not outputs:
        outputs = list(ops[-1].results)
    block.add_op(YieldOp.create(operands=[mapping[v] for v in outputs]))
    return Part(block, copier.inputs, outputs)


def move(kind: str, ops: Sequence[Operation]) -> Part:
    """As `extract`, but the ops themselves go; the caller gives their other users new results."""
    block, mapping = Block(), dict[SSAValue, SSAValue]()
    copier, group = _Copier(kind, block, [], mapping), set(ops)
    outputs: list[SSAValue] = [v for op in ops for v in op.results if _leaves(v, group)]
    if kind == LIBRARY or not outputs:
        outputs = list(ops[-1].results)
    for op in ops:
        for value in op.operands:
            copier.bring(value)
        op.detach()
        op.operands = [mapping[v] for v in op.operands]
        block.add_op(op)
        mapping.update((v, v) for v in op.results)
    block.add_op(YieldOp.create(operands=outputs))
    return Part(block, copier.inputs, outputs)


@dataclass
class _Copier:
    """Copies views, iotas and splats into a kernel; everything else becomes an input."""

    kind: str
    block: Block
    inputs: list[SSAValue]
    mapping: dict[SSAValue, SSAValue]

    def bring(self, value: SSAValue) -> None:
        """Make `value` available in the kernel."""
        if value in self.mapping:
            return
        op = value.owner
        if isinstance(op, Operation) and self._is_copied(value, op):
            for operand in op.operands:
                self.bring(operand)
            self.block.add_op(op.clone(self.mapping))
            return
        self.mapping[value] = self.block.insert_arg(value.type, len(self.block.args))
        self.inputs.append(value)

    def _is_copied(self, value: SSAValue, op: Operation) -> bool:
        if self.kind == LIBRARY:
            return False
        if isinstance(op, ConstantOp):
            scalar = self.kind == INDEX and not shape_of(value)
            return splat_of(value) is not None and (
                self.kind in (ATTENTION, MAP, CONTRACT) or scalar
            )
        return is_view_op(op) or is_counted(op)


def _leaves(value: SSAValue, group: set[Operation]) -> bool:
    """Whether something outside the group uses the value, directly or through a view."""
    for use in value.uses:
        user = use.operation
        if user in group:
            continue
        if not is_view_op(user) or any(_leaves(r, group) for r in user.results):
            return True
    return False
