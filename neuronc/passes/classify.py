"""Which kind of kernel each op becomes: the one place that decides what runs where."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from xdsl.dialects import func
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Block, Operation, SSAValue

from neuronc.dialects.program import FusionOp, MaterializeOp
from neuronc.dialects.stablehlo.constant import ConstantOp
from neuronc.dialects.stablehlo.contraction import DotGeneralOp
from neuronc.dialects.stablehlo.control import CaseOp, IfOp, WhileOp
from neuronc.dialects.stablehlo.movement import (
    ConcatenateOp,
    DynamicSliceOp,
    DynamicUpdateSliceOp,
    GatherOp,
    IotaOp,
    PadOp,
)
from neuronc.dialects.stablehlo.reduction import ScatterOp
from neuronc.dialects.types import element_type, is_tensor, shape_of
from neuronc.isa.operands import FREE_DIMENSIONS_MAX
from neuronc.passes.functions import is_elementwise, is_reduction
from neuronc.passes.tile_index import scatter_function, window_rank
from neuronc.passes.views import is_view_op, splat_of

CONTROL = (WhileOp, IfOp, CaseOp, func.CallOp)
"""What the program does above kernels; `func.call` runs a layer."""
_NO_KERNEL = frozenset({ConstantOp, *CONTROL})
MAP, CONTRACT, MOVE, INDEX, LIBRARY = "map", "contract", "move", "index", "library"
BLOCK = "block"
"""A kernel of several phases, each of one of the kinds above."""
ATTENTION = "attention"


def kind_of(op: Operation) -> str | None:
    """The kind of kernel that computes `op`; None for views, constants, control and the end."""
    if is_view_op(op) or type(op) in _NO_KERNEL or not op.results:
        return None
    if isinstance(op, FusionOp):
        kind = op.attributes["kind"]
        assert isinstance(kind, StringAttr)
        return kind.data
    if type(op) is IotaOp:
        return None if is_counted(op) else LIBRARY
    if not all(is_tensor(v) for v in (*op.operands, *op.results)):
        return LIBRARY
    if isinstance(op, MaterializeOp | ConcatenateOp | PadOp):
        return MOVE if _is_dense(op) else LIBRARY
    if not _is_dense(op):
        return LIBRARY
    if is_elementwise(op) or is_reduction(op):
        return MAP
    if isinstance(op, DotGeneralOp) and _contracts(op):
        return CONTRACT
    return INDEX if _is_indexed(op) else LIBRARY


def is_source(value: SSAValue) -> bool:
    """Whether a view may start at `value`: something with a buffer of its own."""
    op = value.owner
    if isinstance(op, Block):
        return True
    if type(op) is ConstantOp:
        return splat_of(value) is None
    return not (is_view_op(op) or is_counted(op))


def is_counted(op: Operation) -> bool:
    """Whether the op is an iota that gpsimd makes in place, of a type that it computes on."""
    return type(op) is IotaOp and element_type(op.results[0]).engine


def _is_dense(op: Operation) -> bool:
    """Whether every operand and result has elements at all."""
    return all(prod(shape_of(v)) for v in (*op.operands, *op.results))


def _contracts(op: Operation) -> bool:
    """The tensor engine multiplies pairs of one real float type (hardware.md 2.2)."""
    kinds = [element_type(v) for v in op.operands]
    real = all(k.is_float and k.engine for k in (*kinds, element_type(op.results[0])))
    return real and kinds[0] is kinds[1]


def _is_indexed(op: Operation) -> bool:
    if isinstance(op, DynamicSliceOp):
        return _are_narrow(op.operands[1:])
    if isinstance(op, DynamicUpdateSliceOp):
        return _are_narrow(op.operands[2:])
    if isinstance(op, GatherOp):
        return _are_narrow(op.operands[1:]) and window_rank(op) <= FREE_DIMENSIONS_MAX
    if isinstance(op, ScatterOp):
        simple = scatter_function(op) is not None and len(op.results) == 1
        return simple and _are_narrow(op.operands[1:2]) and window_rank(op) <= FREE_DIMENSIONS_MAX
    return False


def _are_narrow(indices: Sequence[SSAValue]) -> bool:
    """Offsets are computed in exact 32-bit integers."""
    return all(element_type(v).engine and element_type(v).name != "ui32" for v in indices)
