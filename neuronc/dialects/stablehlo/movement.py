"""Operations that place elements without computing on them."""

from __future__ import annotations

from xdsl.irdl import irdl_op_definition

from neuronc.dialects.stablehlo.base import PureOp


@irdl_op_definition
class BroadcastInDimOp(PureOp):
    """result[i] = operand[i[`broadcast_dimensions`]], with 0 along operand axes of extent 1."""

    name = "stablehlo.broadcast_in_dim"


@irdl_op_definition
class ConcatenateOp(PureOp):
    """The operands one after another along `dimension`."""

    name = "stablehlo.concatenate"


@irdl_op_definition
class DynamicSliceOp(PureOp):
    """The window of `slice_sizes` of operand that starts at the scalars start_indices.

    Starts are clamped so that the window lies inside.
    """

    name = "stablehlo.dynamic_slice"


@irdl_op_definition
class DynamicUpdateSliceOp(PureOp):
    """operand with the window at the scalars start_indices replaced by update, starts clamped."""

    name = "stablehlo.dynamic_update_slice"


@irdl_op_definition
class GatherOp(PureOp):
    """Windows of `slice_sizes` of operand at start_indices, starts clamped.

    `start_index_map` says which operand axis a component of an index vector (along
    `index_vector_dim`) addresses; `offset_dims` are the result axes inside a window, without
    `collapsed_slice_dims` and `operand_batching_dims`, which run with
    `start_indices_batching_dims`.
    """

    name = "stablehlo.gather"


@irdl_op_definition
class GetDimensionSizeOp(PureOp):
    """The extent of `dimension`, as a scalar i32."""

    name = "stablehlo.get_dimension_size"


@irdl_op_definition
class IotaOp(PureOp):
    """result[i] = i[`iota_dimension`]."""

    name = "stablehlo.iota"


@irdl_op_definition
class PadOp(PureOp):
    """operand with the scalar padding_value between and around its elements.

    `interior_padding` between them, `edge_padding_low` and `edge_padding_high` around them;
    negative edges crop.
    """

    name = "stablehlo.pad"


@irdl_op_definition
class ReshapeOp(PureOp):
    """The elements of operand in row-major order in another shape."""

    name = "stablehlo.reshape"


@irdl_op_definition
class ReverseOp(PureOp):
    """operand read backwards along `dimensions`."""

    name = "stablehlo.reverse"


@irdl_op_definition
class SliceOp(PureOp):
    """operand[`start_indices`:`limit_indices`:`strides`]."""

    name = "stablehlo.slice"


@irdl_op_definition
class TorchIndexSelectOp(PureOp):
    """result[.., j, ..] = operand[.., index[j], ..] along `dim`, after `batch_dims` batch axes."""

    name = "stablehlo.torch_index_select"


@irdl_op_definition
class TransposeOp(PureOp):
    """result[i[`permutation`]] = operand[i]: result axis k is operand axis `permutation`[k]."""

    name = "stablehlo.transpose"
