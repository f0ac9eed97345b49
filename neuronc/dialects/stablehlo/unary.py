"""Elementwise operations of one operand: result[i] depends on operand[i] alone."""

from __future__ import annotations

from xdsl.irdl import irdl_op_definition

from neuronc.dialects.stablehlo.base import PureOp


@irdl_op_definition
class AbsOp(PureOp):
    """|operand[i]|; the modulus, a real, of a complex operand."""

    name = "stablehlo.abs"


@irdl_op_definition
class BitcastConvertOp(PureOp):
    """The bits of the operand read as another element type.

    To a narrower type a last axis is added, to a wider one the last axis is consumed.
    """

    name = "stablehlo.bitcast_convert"


@irdl_op_definition
class CbrtOp(PureOp):
    """The cube root of operand[i]."""

    name = "stablehlo.cbrt"


@irdl_op_definition
class CeilOp(PureOp):
    """The least integer not below operand[i]."""

    name = "stablehlo.ceil"


@irdl_op_definition
class ConvertOp(PureOp):
    """operand[i] in another element type: floats truncate to integers, any value != 0 is true."""

    name = "stablehlo.convert"


@irdl_op_definition
class CosineOp(PureOp):
    """cos(operand[i])."""

    name = "stablehlo.cosine"


@irdl_op_definition
class CountLeadingZerosOp(PureOp):
    """The number of zero bits above the highest set bit of operand[i]."""

    name = "stablehlo.count_leading_zeros"


@irdl_op_definition
class ExponentialOp(PureOp):
    """e ** operand[i]."""

    name = "stablehlo.exponential"


@irdl_op_definition
class ExponentialMinusOneOp(PureOp):
    """e ** operand[i] - 1, exact near 0."""

    name = "stablehlo.exponential_minus_one"


@irdl_op_definition
class FloorOp(PureOp):
    """The greatest integer not above operand[i]."""

    name = "stablehlo.floor"


@irdl_op_definition
class ImagOp(PureOp):
    """The imaginary part of operand[i]; 0 for a real operand."""

    name = "stablehlo.imag"


@irdl_op_definition
class IsFiniteOp(PureOp):
    """Whether operand[i] is neither infinite nor NaN."""

    name = "stablehlo.is_finite"


@irdl_op_definition
class LogOp(PureOp):
    """The natural logarithm of operand[i]."""

    name = "stablehlo.log"


@irdl_op_definition
class LogPlusOneOp(PureOp):
    """log(1 + operand[i]), exact near 0."""

    name = "stablehlo.log_plus_one"


@irdl_op_definition
class LogisticOp(PureOp):
    """1 / (1 + e ** -operand[i])."""

    name = "stablehlo.logistic"


@irdl_op_definition
class NegateOp(PureOp):
    """-operand[i]; integers wrap."""

    name = "stablehlo.negate"


@irdl_op_definition
class NotOp(PureOp):
    """Every bit of operand[i] inverted; logical not of booleans."""

    name = "stablehlo.not"


@irdl_op_definition
class PopcntOp(PureOp):
    """The number of set bits of operand[i]."""

    name = "stablehlo.popcnt"


@irdl_op_definition
class RealOp(PureOp):
    """The real part of operand[i]."""

    name = "stablehlo.real"


@irdl_op_definition
class ReducePrecisionOp(PureOp):
    """operand[i] rounded to `exponent_bits` and `mantissa_bits`, in its own type."""

    name = "stablehlo.reduce_precision"


@irdl_op_definition
class RoundNearestAfzOp(PureOp):
    """The nearest integer to operand[i], ties away from zero."""

    name = "stablehlo.round_nearest_afz"


@irdl_op_definition
class RoundNearestEvenOp(PureOp):
    """The nearest integer to operand[i], ties to even."""

    name = "stablehlo.round_nearest_even"


@irdl_op_definition
class RsqrtOp(PureOp):
    """1 / sqrt(operand[i])."""

    name = "stablehlo.rsqrt"


@irdl_op_definition
class SignOp(PureOp):
    """-1, 0 or 1 as operand[i] is below, equal or above 0; operand[i] / |operand[i]| if complex."""

    name = "stablehlo.sign"


@irdl_op_definition
class SineOp(PureOp):
    """sin(operand[i])."""

    name = "stablehlo.sine"


@irdl_op_definition
class SqrtOp(PureOp):
    """The square root of operand[i]."""

    name = "stablehlo.sqrt"


@irdl_op_definition
class TanOp(PureOp):
    """tan(operand[i])."""

    name = "stablehlo.tan"


@irdl_op_definition
class TanhOp(PureOp):
    """tanh(operand[i])."""

    name = "stablehlo.tanh"
