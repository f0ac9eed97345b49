"""Remove what changes nothing: identities, ops on splats, unused ops, invariant loop variables.

    %z = constant dense<0.0> : f32;  %b = broadcast_in_dim %z;  %m = maximum %b, %b
  becomes
    %m = constant dense<0.0> : 128x512xf32     (a splat: one stored element)

Producers write these by habit, and each that is left costs a pass over an array. Of constants it
folds only splats: an array that is stored whole stays what it is, but for positions, 0, 1, 2 ..,
that are compared, as in masks: they become an iota, of which a mask is known. The transpose of a
product, as gradients of weights are written, becomes the product of its operands in the other
order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.transforms.dead_code_elimination import region_dce

from neuronc.dialects.stablehlo.binary import AndOp, MaximumOp, MinimumOp, OrOp
from neuronc.dialects.stablehlo.constant import ConstantOp
from neuronc.dialects.stablehlo.contraction import DotGeneralOp
from neuronc.dialects.stablehlo.control import (
    GetTupleElementOp,
    OptimizationBarrierOp,
    TupleOp,
    WhileOp,
)
from neuronc.dialects.stablehlo.movement import (
    BroadcastInDimOp,
    ConcatenateOp,
    IotaOp,
    ReshapeOp,
    TransposeOp,
)
from neuronc.dialects.stablehlo.reduction import ReduceOp
from neuronc.dialects.stablehlo.unary import ConvertOp
from neuronc.dialects.tile import array_of
from neuronc.dialects.types import element_type, is_tensor, shape_of
from neuronc.numerics import FUNCTIONS, cast
from neuronc.passes.attributes import integer, ints, string
from neuronc.passes.classify import CONTROL
from neuronc.passes.functions import function_name, is_elementwise
from neuronc.passes.rewriting import Before, replace
from neuronc.passes.views import is_view_op, splat_of


@dataclass(frozen=True)
class Simplify(ModulePass):
    """Apply the identities, once over the program, then drop what is unused."""

    name = "simplify"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Simplify every function and the control flow inside."""
        for function in op.body.block.ops:
            for region in function.regions:
                for block in region.blocks:
                    _simplify(block)
        region_dce(op.body)


def _simplify(block: Block) -> None:
    for op in list(block.ops):
        if isinstance(op, CONTROL):
            for region in op.regions:
                _simplify(region.block)
        if isinstance(op, WhileOp):
            _capture_invariants(op)
            continue
        if len(op.results) == 1 and is_tensor(op.results[0]):
            folded = _empty(op) if 0 in shape_of(op.results[0]) else _fold(op)
            if folded is not None:
                replace(op, Before(op).constant(folded))
                continue
        rule = _RULES.get(type(op))
        values = rule(op) if rule else None
        if values is not None:
            replace(op, *values)


def _empty(op: Operation) -> np.ndarray | None:
    """A result without elements, whatever computes it."""
    if isinstance(op, (ConstantOp, *CONTROL)):
        return None
    return np.zeros(shape_of(op.results[0]), element_type(op.results[0]).numpy)


def _fold(op: Operation) -> np.ndarray | None:
    """The splat an op makes of splats."""
    operands = op.operands
    if type(op) is ConstantOp or not operands or op.regions:
        return None
    known: list[np.ndarray] = []
    for value in operands:
        splat = splat_of(value) if is_tensor(value) else None
        if splat is None:
            return None
        known.append(splat)
    shape, kind = shape_of(op.results[0]), element_type(op.results[0])
    if is_view_op(op):
        return np.broadcast_to(known[0], shape)
    name = function_name(op)
    if isinstance(op, ConvertOp):
        value = cast(known[0], kind.numpy)
    elif name == "compare" and string(op, "compare_type") != "TOTALORDER":
        value = FUNCTIONS[string(op, "comparison_direction").lower()].evaluate(*known)
    elif name in FUNCTIONS and name != "reduce_precision" and not is_view_op(op):
        value = FUNCTIONS[name].evaluate(*known)
    else:
        return None
    return np.broadcast_to(np.asarray(value).astype(kind.numpy), shape)


def _positions(op: Operation) -> list[SSAValue] | None:
    """Stored numbers a, a + 1, a + 2 .. that only elementwise ops read: a + iota."""
    assert isinstance(op, ConstantOp)
    kind, shape = element_type(op.results[0]), shape_of(op.results[0])
    array = op.value.array
    if op.value.data.name or len(shape) != 1 or shape[0] < 2 or not kind.is_integer:
        return None
    if not kind.engine or not _is_computed_with(op.results[0]):
        return None
    wide = array.astype(np.int64)
    if not np.array_equal(wide, wide[0] + np.arange(len(wide))):
        return None
    b, type_ = Before(op), op.results[0].type
    count = b.add(IotaOp, [], [type_], {"iota_dimension": 0})
    return [b.elementwise("add", count, b.splat(array[0], shape, kind)) if array[0] else count]


def _is_computed_with(value: SSAValue) -> bool:
    """Whether elementwise ops read a value, through views or not, and nothing else does."""
    users = [use.operation for use in value.uses]
    return bool(users) and all(
        _is_computed_with(u.results[0]) if is_view_op(u) else is_elementwise(u) for u in users
    )


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
    for value, other in ((op.operands[0], op.operands[1]), (op.operands[1], op.operands[0])):
        splat = splat_of(other)
        if splat is not None and float(splat) == neutral:
            return [value]
    return None


def _logical(op: Operation) -> list[SSAValue] | None:
    """and(x, true) and or(x, false), which keep x."""
    if element_type(op.results[0]).name != "i1":
        return None
    for value, other in ((op.operands[0], op.operands[1]), (op.operands[1], op.operands[0])):
        splat = splat_of(other)
        if splat is not None and bool(splat) == isinstance(op, AndOp):
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


_RULES: dict[type[Operation], Callable[[Operation], list[SSAValue] | None]] = {
    ConstantOp: _positions,
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


def _capture_invariants(op: WhileOp) -> None:
    """Loop variables that the body hands on unchanged become captured values."""
    condition, body = (region.block for region in op.regions)
    end = body.last_op
    assert end is not None
    keep = [i for i, a in enumerate(body.args) if end.operands[i] is not a]
    if len(keep) == len(op.operands):
        return
    for i, start in enumerate(op.operands):
        if i not in keep:
            for block in (condition, body):
                block.args[i].replace_all_uses_with(start)
    for block in (condition, body):
        for i in reversed(range(len(op.operands))):
            if i not in keep:
                block.erase_arg(block.args[i])
    end.operands = [v for i, v in enumerate(end.operands) if i in keep]
    regions = [region.clone() for region in op.regions]
    smaller = WhileOp.create(
        operands=[op.operands[i] for i in keep],
        result_types=[op.results[i].type for i in keep],
        attributes=op.attributes,
        regions=regions,
    )
    block = op.parent
    assert block is not None
    block.insert_op_before(smaller, op)
    new = iter(smaller.results)
    replace(op, *[next(new) if i in keep else v for i, v in enumerate(op.operands)])
