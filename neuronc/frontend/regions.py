"""Regions that are applied to elements are closed: they use no value from outside."""

from __future__ import annotations

from xdsl.ir import Operation, OpResult, Region, SSAValue

from neuronc.dialects.stablehlo.base import location
from neuronc.dialects.stablehlo.constant import ConstantOp
from neuronc.errors import UnsupportedError

CLOSED = frozenset(
    f"stablehlo.{name}"
    for name in (
        "all_reduce",
        "map",
        "reduce",
        "reduce_scatter",
        "reduce_window",
        "scatter",
        "select_and_scatter",
        "sort",
    )
)
"""Operations whose regions compute one element from others."""


def close_region(region: Region) -> None:
    """Clone the constants from outside to the start of the region."""
    inside: dict[SSAValue, SSAValue] = {}
    for op in list(region.walk()):
        for index, operand in enumerate(op.operands):
            if not region.is_ancestor(operand.owner):
                op.operands[index] = _copy_inside(operand, region, op, inside)


def _copy_inside(
    value: SSAValue, region: Region, user: Operation, inside: dict[SSAValue, SSAValue]
) -> SSAValue:
    """The region's own copy of an outside constant."""
    if value in inside:
        return inside[value]
    if not isinstance(value, OpResult) or not isinstance(value.op, ConstantOp):
        problem = f"{user.name} uses a value from outside its region that is not a constant"
        hint = "pass the value through an operand of the operation, or apply it before or after"
        raise UnsupportedError(location(user), problem, hint, code="NRC-0210")
    copy = value.op.clone()
    region.blocks[0].insert_op_before(copy, _first(region))
    inside[value] = copy.results[0]
    return copy.results[0]


def _first(region: Region) -> Operation:
    first = region.blocks[0].first_op
    assert first is not None
    return first
