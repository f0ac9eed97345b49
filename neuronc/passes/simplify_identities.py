"""The identities that `simplify` applies, by op: each says what values an op may be replaced by.

maximum(x, -inf)                  x
transpose(dot_general(a, b))      dot_general(b, a), where that is the order asked for
concatenate(a, [])                a
reduce(x) over no dimensions      its one step, of the initial value and x
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from xdsl.dialects.builtin import ArrayAttr
from xdsl.ir import Operation, SSAValue

from neuronc.dialects.stablehlo.binary import AndOp, MaximumOp, MinimumOp, OrOp
from neuronc.dialects.stablehlo.constant import ConstantOp
from neuronc.dialects.stablehlo.contraction import DotGeneralOp
from neuronc.dialects.stablehlo.control import GetTupleElementOp, OptimizationBarrierOp, TupleOp
from neuronc.dialects.stablehlo.movement import (
    BroadcastInDimOp,
    ConcatenateOp,
    ReshapeOp,
    TransposeOp,
)
from neuronc.dialects.stablehlo.reduction import ReduceOp
from neuronc.dialects.stablehlo.unary import ConvertOp
from neuronc.dialects.tile import array_of
from neuronc.dialects.types import element_type, shape_of
from neuronc.passes.attributes import integer, ints
from neuronc.passes.rewriting import Before
from neuronc.passes.simplify_constants import positions
from neuronc.passes.views import splat_of


def _identity_view(op: Operation) -> list[SSAValue] | None:
    """A reshape, transpose or broadcast that gives its operand back."""
    if op.operands[0].type != op.results[0].type:
        return None
    names: dict[type[Operation], str] = {
        TransposeOp: "permutation",
        BroadcastInDimOp: "broadcast_dimensions",
    }
    order = names.get(type(op))
    if order is not None and ints(op, order) != list(range(len(shape_of(op.results[0])))):
        return None
    return [op.operands[0]]


def _transpose(op: Operation) -> list[SSAValue] | None:
    """No transpose, or that of a product: the product of the operands in the other order."""
    dot = op.operands[0].owner
    if not isinstance(dot, DotGeneralOp) or "algorithm" in dot.attributes:
        return _identity_view(op)
    if not dot.results[0].has_one_use() or dot.parent is not op.parent:
        return _identity_view(op)
    batch = len(ints(dot, "lhs_batching_dimensions"))
    contracted = len(ints(dot, "lhs_contracting_dimensions"))
    rows = len(shape_of(dot.operands[0])) - contracted
    rank = len(shape_of(op.results[0]))
    if ints(op, "permutation") != [*range(batch), *range(rows, rank), *range(batch, rows)]:
        return _identity_view(op)
    attributes = dict(dot.attributes)
    for kind in ("batching", "contracting"):
        names = [f"{side}_{kind}_dimensions" for side in ("lhs", "rhs")]
        attributes.update(zip(names, [dot.attributes[n] for n in reversed(names)], strict=True))
    if "precision_config" in attributes:
        attributes["precision_config"] = ArrayAttr(array_of(dot, "precision_config")[::-1])
    swapped = DotGeneralOp.create(
        operands=list(reversed(dot.operands)),
        result_types=[op.results[0].type],
        attributes=attributes,
    )
    assert op.parent is not None
    op.parent.insert_op_before(swapped, op)
    return list(swapped.results)


def _same_type(op: Operation) -> list[SSAValue] | None:
    """A conversion to the type the operand has."""
    return [op.operands[0]] if op.operands[0].type == op.results[0].type else None


def _barrier(op: Operation) -> list[SSAValue] | None:
    """An optimisation barrier: the program is not reordered across it by value anyway."""
    return list(op.operands)


def _tuple_element(op: Operation) -> list[SSAValue] | None:
    """An element of a tuple that was just made."""
    made = op.operands[0].owner
    return [made.operands[integer(op, "index")]] if isinstance(made, TupleOp) else None


def _neutral(op: Operation) -> list[SSAValue] | None:
    """maximum(x, -inf) and minimum(x, inf), which keep x, NaN included."""
    if not element_type(op.results[0]).is_float:
        return None
    neutral = -np.inf if isinstance(op, MaximumOp) else np.inf
    return _beside(op, lambda splat: float(splat) == neutral)


def _logical(op: Operation) -> list[SSAValue] | None:
    """and(x, true) and or(x, false), which keep x."""
    if element_type(op.results[0]).name != "i1":
        return None
    return _beside(op, lambda splat: bool(splat) == isinstance(op, AndOp))


def _beside(op: Operation, changes_nothing: Callable[[np.ndarray], bool]) -> list[SSAValue] | None:
    """The operand beside a splat that changes nothing."""
    for value, other in ((op.operands[0], op.operands[1]), (op.operands[1], op.operands[0])):
        splat = splat_of(other)
        if splat is not None and changes_nothing(splat):
            return [value]
    return None


def _without_empty_parts(op: Operation) -> list[SSAValue] | None:
    """A concatenate of fewer parts, or the only one that has elements."""
    parts = [v for v in op.operands if 0 not in shape_of(v)]
    if len(parts) == 1:
        return parts
    if len(parts) < len(op.operands):
        op.operands = parts
    return None


def _reduced_along_nothing(op: Operation) -> list[SSAValue] | None:
    """A reduction over no dimensions: its one step, of the initial value and each element."""
    block = op.regions[0].block
    step = block.first_op
    assert step is not None
    if ints(op, "dimensions") or len(op.results) != 1 or step.next_op is not block.last_op:
        return None
    if set(step.operands) != set(block.args) or step.regions:
        return None
    type_ = op.results[0].type
    before = Before(op)
    first = before.add(BroadcastInDimOp, [op.operands[1]], [type_], {"broadcast_dimensions": []})
    values = dict(zip(block.args, (first, op.operands[0]), strict=True))
    operands = [value for v in step.operands for arg, value in values.items() if arg is v]
    made = type(step).create(operands=operands, result_types=[type_], attributes=step.attributes)
    assert op.parent is not None
    op.parent.insert_op_before(made, op)
    return list(made.results)


RULES: dict[type[Operation], Callable[[Operation], list[SSAValue] | None]] = {
    ConstantOp: positions,
    ReshapeOp: _identity_view,
    TransposeOp: _transpose,
    BroadcastInDimOp: _identity_view,
    ConvertOp: _same_type,
    OptimizationBarrierOp: _barrier,
    GetTupleElementOp: _tuple_element,
    MaximumOp: _neutral,
    MinimumOp: _neutral,
    AndOp: _logical,
    OrOp: _logical,
    ConcatenateOp: _without_empty_parts,
    ReduceOp: _reduced_along_nothing,
}
