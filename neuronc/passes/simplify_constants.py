"""Fold what is known: ops on splats, results without elements, and positions that are stored.

%z = constant dense<0.0> : f32;  %b = broadcast_in_dim %z;  %m = maximum %b, %b
becomes
%m = constant dense<0.0> : 128x512xf32     (a splat: one stored element)

%p = constant [3, 4, 5, ..];  %m = compare GE, %p, %x
becomes
%i = iota;  %p = add %i, 3;  %m = compare GE, %p, %x
"""

from __future__ import annotations

import numpy as np
from xdsl.ir import Operation, SSAValue

from neuronc.dialects.stablehlo.constant import ConstantOp
from neuronc.dialects.stablehlo.movement import IotaOp
from neuronc.dialects.stablehlo.unary import ConvertOp
from neuronc.dialects.types import element_type, is_tensor, shape_of
from neuronc.numerics import FUNCTIONS, cast
from neuronc.passes.attributes import string
from neuronc.passes.classify import CONTROL
from neuronc.passes.functions import function_name, is_elementwise
from neuronc.passes.rewriting import Before
from neuronc.passes.views import is_view_op, splat_of


def folded(op: Operation) -> np.ndarray | None:
    """What an op of one result makes, where that is empty or a splat; else None."""
    if len(op.results) != 1 or not is_tensor(op.results[0]):
        return None
    return _empty(op) if 0 in shape_of(op.results[0]) else _fold(op)


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


def positions(op: Operation) -> list[SSAValue] | None:
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
