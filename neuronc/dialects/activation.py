"""The activation dialect: functions of the scalar engine that StableHLO has no operation for.

One level with StableHLO: whole arrays. `match-activation` finds them in what producers write out;
their laws are those of `neuronc.numerics.activations`.
"""

from __future__ import annotations

from xdsl.ir import Dialect
from xdsl.irdl import irdl_op_definition

from neuronc.dialects.stablehlo.base import PureOp


@irdl_op_definition
class GeluOp(PureOp):
    """0.5 operand[i] (1 + erf(operand[i] / sqrt(2)))."""

    name = "activation.gelu"


@irdl_op_definition
class GeluTanhOp(PureOp):
    """0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) for x = operand[i]."""

    name = "activation.gelu_tanh"


@irdl_op_definition
class GeluSigmoidOp(PureOp):
    """operand[i] logistic(1.702 operand[i])."""

    name = "activation.gelu_sigmoid"


@irdl_op_definition
class MishOp(PureOp):
    """operand[i] tanh(log(1 + exp(operand[i])))."""

    name = "activation.mish"


@irdl_op_definition
class SiluOp(PureOp):
    """operand[i] / (1 + exp(-operand[i]))."""

    name = "activation.silu"


@irdl_op_definition
class SoftplusOp(PureOp):
    """log(1 + exp(operand[i]))."""

    name = "activation.softplus"


ACTIVATION_OPS: dict[str, type[PureOp]] = {
    cls.name.removeprefix("activation."): cls
    for cls in (GeluOp, GeluTanhOp, GeluSigmoidOp, MishOp, SiluOp, SoftplusOp)
}
"""Every operation class by its function."""
ACTIVATION = Dialect("activation", list(ACTIVATION_OPS.values()), [])
