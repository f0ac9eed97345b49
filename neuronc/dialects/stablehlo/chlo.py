"""The higher-level operations that are kept, because the machine or its library has them."""

from __future__ import annotations

from xdsl.irdl import irdl_op_definition

from neuronc.dialects.stablehlo.base import PureOp


@irdl_op_definition
class AcosOp(PureOp):
    """acos(operand[i])."""

    name = "chlo.acos"


@irdl_op_definition
class AcoshOp(PureOp):
    """acosh(operand[i])."""

    name = "chlo.acosh"


@irdl_op_definition
class AsinOp(PureOp):
    """asin(operand[i])."""

    name = "chlo.asin"


@irdl_op_definition
class AsinhOp(PureOp):
    """asinh(operand[i])."""

    name = "chlo.asinh"


@irdl_op_definition
class AtanOp(PureOp):
    """atan(operand[i])."""

    name = "chlo.atan"


@irdl_op_definition
class AtanhOp(PureOp):
    """atanh(operand[i])."""

    name = "chlo.atanh"


@irdl_op_definition
class CoshOp(PureOp):
    """cosh(operand[i])."""

    name = "chlo.cosh"


@irdl_op_definition
class DigammaOp(PureOp):
    """The derivative of log(gamma(operand[i]))."""

    name = "chlo.digamma"


@irdl_op_definition
class ErfOp(PureOp):
    """2 / sqrt(pi) times the integral of e ** -t**2 from 0 to operand[i]."""

    name = "chlo.erf"


@irdl_op_definition
class ErfInvOp(PureOp):
    """The x with erf(x) = operand[i]."""

    name = "chlo.erf_inv"


@irdl_op_definition
class ErfcOp(PureOp):
    """1 - erf(operand[i]), exact for large operands."""

    name = "chlo.erfc"


@irdl_op_definition
class IsInfOp(PureOp):
    """Whether operand[i] is infinite."""

    name = "chlo.is_inf"


@irdl_op_definition
class IsNegInfOp(PureOp):
    """Whether operand[i] is minus infinity."""

    name = "chlo.is_neg_inf"


@irdl_op_definition
class IsPosInfOp(PureOp):
    """Whether operand[i] is plus infinity."""

    name = "chlo.is_pos_inf"


@irdl_op_definition
class LgammaOp(PureOp):
    """log(|gamma(operand[i])|)."""

    name = "chlo.lgamma"


@irdl_op_definition
class NextAfterOp(PureOp):
    """The representable value next to lhs[i] in the direction of rhs[i]."""

    name = "chlo.next_after"


@irdl_op_definition
class SinhOp(PureOp):
    """sinh(operand[i])."""

    name = "chlo.sinh"


@irdl_op_definition
class SquareOp(PureOp):
    """operand[i] * operand[i]."""

    name = "chlo.square"


@irdl_op_definition
class TanOp(PureOp):
    """tan(operand[i])."""

    name = "chlo.tan"


@irdl_op_definition
class TopKOp(PureOp):
    """The `k` greatest elements along the last axis, in order, and their places.

    Of equal elements the first comes first.
    """

    name = "chlo.top_k"
