"""Whether an op may be computed in the kernel of its producer, so that values stay on chip.

    %m = reduce max %x, dims [1];  %d = subtract %x, broadcast(%m)
  joins, where a row of %x fits on chip twice; else %d needs a kernel that reads %m whole.

It walks the space of the kernel, reads what that computes index by index or row by index, and rows
still fit; or nothing full depends on a reduction, so that they can stream.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
from xdsl.ir import Operation, SSAValue

from neuronc.dialects.stablehlo.reduction import ReduceOp
from neuronc.dialects.types import shape_of
from neuronc.hardware import Generation
from neuronc.passes.budget import columns_max
from neuronc.passes.classify import CONTRACT, MAP, is_source
from neuronc.passes.group import Group
from neuronc.passes.space import Space, space_of
from neuronc.passes.views import View, dense, is_view_op, splat_of, view_of

EPILOGUE_MAX = 24
"""Ops that may follow a contraction: their blocks live beside its operands."""
STREAMED_MAX = 12
"""Full values of a kernel that streams: each is a block."""
Made = Callable[[Operation], bool]
"""Whether a kernel computes an op."""


def joined(op: Operation, group: Group, made: Made, hw: Generation) -> Space | None:
    """The space of a group that `op` joins; None where it cannot."""
    if group.kind == CONTRACT:
        if isinstance(op, ReduceOp) or len(group.ops) > EPILOGUE_MAX:
            return None
    elif group.kind != MAP:
        return None
    space = _space_with(op, group.space)
    if space is None or not reads_in_place(op, space, made):
        return None
    fine = group.kind == CONTRACT or fits(space, [*group.ops, op], hw)
    return space if fine else None


def _space_with(op: Operation, space: Space) -> Space | None:
    """The space with one more op; None where that walks another."""
    if not isinstance(op, ReduceOp):
        return space if _is_level(shape_of(op.results[0]), space) else None
    own = space_of(op)
    return own if own.shape == space.shape and space.reduced in ((), own.reduced) else None


def _is_level(shape: tuple[int, ...], space: Space) -> bool:
    """Full values have the very shape of the domain, rows that of the kept axes."""
    if space.is_full(shape):
        return shape == space.shape
    return prod(shape) == prod(space.rows) and _squeezed(shape) == _squeezed(space.rows)


def reads_in_place(op: Operation, space: Space, made: Made) -> bool:
    """Whether the op reads all that the kernel computes index by index, or row by index."""
    return all(_in_place(op, i, space, made) for i in range(len(op.operands)))


def _in_place(op: Operation, index: int, space: Space, made: Made) -> bool:
    """Whether an operand that the kernel computes is read index by index, or row by index."""
    value = op.operands[index]
    owner = source_op(value)
    if owner is None or not made(owner):
        return True
    view = view_of(value, is_source)
    if view is None or (isinstance(op, ReduceOp) and index > 0):
        return False
    assert view.source is not None
    shape = shape_of(view.source)
    wanted = shape_of(op.operands[0]) if isinstance(op, ReduceOp) else shape_of(op.results[0])
    if space.is_full(shape):
        return space.is_full(wanted) and _walks(view, dense(None, shape))
    if space.is_full(wanted):
        return _walks(view, _rows_over(space, shape))
    return _walks(view, dense(None, shape_of(value)))


def fits(space: Space, ops: list[Operation], hw: Generation) -> bool:
    """Whole rows fit on chip; or nothing full depends on a reduction, so they can stream."""
    if not space.reduced:
        return True
    rows = {op for op in ops if isinstance(op, ReduceOp) or not space.is_full(_shape(op))}
    full = [op for op in ops if op not in rows]
    operands = {v for op in ops for v in _full_operands(op, rows) if splat_of(v) is None}
    made = set(ops)
    loads = {v for v in operands if source_op(v) not in made}
    columns = prod(space.shape[d] for d in space.reduced)
    if columns <= columns_max(len(full) + len(loads), 4, hw):
        return True
    if len(full) + 1 > STREAMED_MAX:
        return False
    return not any(source_op(v) in rows for op in ops for v in _full_operands(op, rows))


def source_op(value: SSAValue) -> Operation | None:
    """The op that makes what a value shows, through views; None for an argument."""
    op = value.owner
    while isinstance(op, Operation) and is_view_op(op):
        op = op.operands[0].owner
    return op if isinstance(op, Operation) else None


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def _walks(view: View, like: View) -> bool:
    """Whether two views step alike, dimensions of size 1 aside."""
    if view.offset != like.offset:
        return False
    pairs = [
        [(n, s) for n, s in zip(v.shape, v.strides, strict=True) if n != 1] for v in (view, like)
    ]
    return pairs[0] == pairs[1]


def _rows_over(space: Space, made: tuple[int, ...]) -> View:
    """A row value read at every index of the domain."""
    kept = [n if d not in space.reduced else 1 for d, n in enumerate(space.shape)]
    rows = dense(None, tuple(kept))
    assert prod(kept) == prod(made)
    return rows.transformed(lambda a: np.broadcast_to(a, space.shape))


def _shape(op: Operation) -> tuple[int, ...]:
    return shape_of(op.results[0])


def _full_operands(op: Operation, rows: set[Operation]) -> list[SSAValue]:
    if isinstance(op, ReduceOp):
        return [op.operands[0]]
    return [] if op in rows else list(op.operands)
