"""Operations with shapes known at run time only, and of quantised types.

The frontend makes them static, or refuses the program; passes never see them.
"""

from __future__ import annotations

from xdsl.irdl import irdl_op_definition

from neuronc.dialects.stablehlo.base import PureOp, StablehloOp


@irdl_op_definition
class BroadcastOp(PureOp):
    """operand with new leading axes of `broadcast_sizes`; deprecated."""

    name = "stablehlo.broadcast"


@irdl_op_definition
class CrossReplicaSumOp(StablehloOp):
    """The sum of the operand over all replicas; deprecated."""

    name = "stablehlo.cross-replica-sum"


@irdl_op_definition
class DynamicBroadcastInDimOp(PureOp):
    """`broadcast_in_dim` to the shape in the second operand."""

    name = "stablehlo.dynamic_broadcast_in_dim"


@irdl_op_definition
class DynamicConvOp(PureOp):
    """`convolution` with the padding in the third operand."""

    name = "stablehlo.dynamic_conv"


@irdl_op_definition
class DynamicGatherOp(PureOp):
    """`gather` with the slice sizes in the third operand."""

    name = "stablehlo.dynamic_gather"


@irdl_op_definition
class DynamicIotaOp(PureOp):
    """`iota` of the shape in the operand."""

    name = "stablehlo.dynamic_iota"


@irdl_op_definition
class DynamicPadOp(PureOp):
    """`pad` with the amounts in the last three operands."""

    name = "stablehlo.dynamic_pad"


@irdl_op_definition
class DynamicReshapeOp(PureOp):
    """`reshape` to the shape in the second operand."""

    name = "stablehlo.dynamic_reshape"


@irdl_op_definition
class RealDynamicSliceOp(PureOp):
    """`slice` with starts, limits and strides in the last three operands."""

    name = "stablehlo.real_dynamic_slice"


@irdl_op_definition
class SetDimensionSizeOp(PureOp):
    """operand with the extent of `dimension` reduced to the scalar size."""

    name = "stablehlo.set_dimension_size"


@irdl_op_definition
class UniformDequantizeOp(PureOp):
    """The real value of each quantised element."""

    name = "stablehlo.uniform_dequantize"


@irdl_op_definition
class UniformQuantizeOp(PureOp):
    """The nearest quantised value of each element."""

    name = "stablehlo.uniform_quantize"
