"""Write a view out as a buffer where nothing can read it as one.

    %t = stablehlo.transpose %x;  %r = stablehlo.reshape %t      (needs a copy)
  becomes
    %t = stablehlo.transpose %x;  %m = program.materialize %t;  %r = stablehlo.reshape %m

Kernels read any strided view, but a reshape that no strides describe, an operand of a library op
or of control flow, and a result of the program must be dense. Reshapes of dense buffers stay:
they name the same bytes. What an update in place reads beside its target must not be the target,
which changes under it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass

from neuronc.dialects.program import MaterializeOp
from neuronc.dialects.stablehlo.constant import ConstantOp
from neuronc.dialects.stablehlo.contraction import DotGeneralOp
from neuronc.dialects.stablehlo.movement import ReshapeOp
from neuronc.dialects.stablehlo.reduction import ScatterOp
from neuronc.dialects.stablehlo.unary import ConvertOp
from neuronc.dialects.types import element_type, is_tensor, shape_of
from neuronc.passes.classify import (
    ATTENTION,
    CONTRACT,
    CONTROL,
    INDEX,
    MAP,
    MOVE,
    is_counted,
    is_source,
    kind_of,
)
from neuronc.passes.tile_index import ties_of
from neuronc.passes.views import is_view_op, splat_of, view_of

SPLAT_MAX = 64
"""Splats up to this many elements are stored as constants."""


@dataclass(frozen=True)
class Materialize(ModulePass):
    """Insert the copies that views need."""

    name = "materialize"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Visit every function."""
        for function in op.body.block.ops:
            if isinstance(function, FuncOp):
                _visit(function.body.block)


def _visit(block: Block) -> None:
    for op in list(block.ops):
        if is_view_op(op):
            result = op.results[0]
            if view_of(result, is_source) is None and splat_of(result) is None:
                _insert(block, op, 0)
            continue
        kind = kind_of(op)
        for index, value in enumerate(op.operands):
            if _is_unread(op, kind, value) or (kind == INDEX and _is_updated(op, index)):
                _insert(block, op, index)
        if isinstance(op, CONTROL):
            for region in op.regions:
                _visit(region.block)


def _is_unread(op: Operation, kind: str | None, value: SSAValue) -> bool:
    """Whether the op's kernel cannot read the operand as it is."""
    if kind in (MAP, ATTENTION):
        return False
    if kind == CONTRACT:
        made = splat_of(value) is not None or _starts_at_iota(value)
        return isinstance(op, DotGeneralOp) and made
    if kind == INDEX and isinstance(op, ScatterOp) and _is_scalar_splat(op.operands[2]):
        return value is op.operands[2] or _starts_at_iota(value) or _is_large_splat(value)
    if kind in (MOVE, INDEX):
        return _starts_at_iota(value) or _is_large_splat(value)
    if kind is None and (isinstance(op, ConstantOp) or is_counted(op)):
        return False
    return not _has_buffer(value) or _is_large_splat(value)


def _is_updated(op: Operation, index: int) -> bool:
    """Whether the operand is to be updated in place but a view, or a view of what is updated."""
    if not ties_of(op):
        return False
    if index == 0:
        return not _has_buffer(op.operands[0])
    return _source(op.operands[index]) is _source(op.operands[0])


def _source(value: SSAValue) -> SSAValue:
    while isinstance(value.owner, Operation) and is_view_op(value.owner):
        value = value.owner.operands[0]
    return value


def _is_large_splat(value: SSAValue) -> bool:
    """Whether the value is a splat that an engine had better fill in than HBM hold."""
    if not is_tensor(value) or splat_of(value) is None:
        return False
    return prod(shape_of(value)) > SPLAT_MAX and element_type(value).engine


def _is_scalar_splat(value: SSAValue) -> bool:
    """Whether the value is one constant element, which otherwise is an immediate of its reader."""
    return not shape_of(value) and splat_of(value) is not None


def _has_buffer(value: SSAValue) -> bool:
    """Whether the value's bytes lie dense in a buffer: a source, or reshapes of one."""
    if not is_tensor(value) or is_source(value):
        return True
    op = value.owner
    if isinstance(op, ConstantOp):
        return True
    return isinstance(op, ReshapeOp) and _has_buffer(op.operands[0])


def _insert(block: Block, op: Operation, index: int) -> None:
    value = op.operands[index]
    # What is known without memory is made by an engine; everything else moves by DMA.
    made = _starts_at_iota(value) or (is_tensor(value) and splat_of(value) is not None)
    cls = ConvertOp if made and element_type(value).engine else MaterializeOp
    loc = {k: a for k, a in op.attributes.items() if k == "loc" and isinstance(a, StringAttr)}
    copy = cls.create(operands=[value], result_types=[value.type], attributes=loc)
    block.insert_op_before(copy, op)
    op.operands[index] = copy.results[0]


def _starts_at_iota(value: SSAValue) -> bool:
    op = _source(value).owner
    return isinstance(op, Operation) and is_counted(op)
