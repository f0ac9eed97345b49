"""Elementwise operations of two or three operands of one shape."""

from __future__ import annotations

from xdsl.irdl import irdl_op_definition

from neuronc.dialects.stablehlo.base import PureOp


@irdl_op_definition
class AddOp(PureOp):
    """lhs[i] + rhs[i]; integers wrap, logical or of booleans."""

    name = "stablehlo.add"


@irdl_op_definition
class AndOp(PureOp):
    """lhs[i] & rhs[i]."""

    name = "stablehlo.and"


@irdl_op_definition
class Atan2Op(PureOp):
    """The angle of the point (rhs[i], lhs[i]), in [-pi, pi]."""

    name = "stablehlo.atan2"


@irdl_op_definition
class ClampOp(PureOp):
    """min(max(operand[i], low), high) for operands low, operand, high; bounds may be scalars."""

    name = "stablehlo.clamp"


@irdl_op_definition
class CompareOp(PureOp):
    """lhs[i] `comparison_direction` rhs[i], one of EQ, NE, GE, GT, LE, LT.

    `compare_type` is FLOAT, TOTALORDER, SIGNED or UNSIGNED.
    """

    name = "stablehlo.compare"


@irdl_op_definition
class ComplexOp(PureOp):
    """lhs[i] + rhs[i] * 1j."""

    name = "stablehlo.complex"


@irdl_op_definition
class DivideOp(PureOp):
    """lhs[i] / rhs[i]; integers truncate toward zero."""

    name = "stablehlo.divide"


@irdl_op_definition
class MaximumOp(PureOp):
    """The greater of lhs[i] and rhs[i]; NaN if either is."""

    name = "stablehlo.maximum"


@irdl_op_definition
class MinimumOp(PureOp):
    """The lesser of lhs[i] and rhs[i]; NaN if either is."""

    name = "stablehlo.minimum"


@irdl_op_definition
class MultiplyOp(PureOp):
    """lhs[i] * rhs[i]; integers wrap, logical and of booleans."""

    name = "stablehlo.multiply"


@irdl_op_definition
class OrOp(PureOp):
    """lhs[i] | rhs[i]."""

    name = "stablehlo.or"


@irdl_op_definition
class PowerOp(PureOp):
    """lhs[i] ** rhs[i]."""

    name = "stablehlo.power"


@irdl_op_definition
class RemainderOp(PureOp):
    """lhs[i] - rhs[i] * trunc(lhs[i] / rhs[i]); the sign is that of lhs[i]."""

    name = "stablehlo.remainder"


@irdl_op_definition
class SelectOp(PureOp):
    """on_true[i] if predicate[i] else on_false[i]; predicate may be a scalar."""

    name = "stablehlo.select"


@irdl_op_definition
class ShiftLeftOp(PureOp):
    """lhs[i] << rhs[i]; 0 when rhs[i] is not below the width."""

    name = "stablehlo.shift_left"


@irdl_op_definition
class ShiftRightArithmeticOp(PureOp):
    """lhs[i] >> rhs[i], filled with the sign bit."""

    name = "stablehlo.shift_right_arithmetic"


@irdl_op_definition
class ShiftRightLogicalOp(PureOp):
    """lhs[i] >> rhs[i], filled with zeros."""

    name = "stablehlo.shift_right_logical"


@irdl_op_definition
class SubtractOp(PureOp):
    """lhs[i] - rhs[i]; integers wrap."""

    name = "stablehlo.subtract"


@irdl_op_definition
class XorOp(PureOp):
    """lhs[i] ^ rhs[i]."""

    name = "stablehlo.xor"
