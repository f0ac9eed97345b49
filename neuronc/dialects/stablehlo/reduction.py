"""Operations that apply a region to many elements.

Their regions are closed: constants they used from outside have been cloned into them.
"""

from __future__ import annotations

from xdsl.irdl import irdl_op_definition

from neuronc.dialects.stablehlo.base import PureOp


@irdl_op_definition
class MapOp(PureOp):
    """result[i] = region(operands[i]) over `dimensions`."""

    name = "stablehlo.map"


@irdl_op_definition
class ReduceOp(PureOp):
    """The operands folded with the region along `dimensions`, from the init_values.

    Operands are inputs.. then init_values.., region arguments accumulators.. then elements..
    """

    name = "stablehlo.reduce"


@irdl_op_definition
class ReduceWindowOp(PureOp):
    """The operands folded with the region over every window, from the init_values.

    Windows have `window_dimensions`, move by `window_strides`, spread by `window_dilations`, over
    operands dilated by `base_dilations` and padded by `padding` [[low, high]..] with init_values.
    """

    name = "stablehlo.reduce_window"


@irdl_op_definition
class ScatterOp(PureOp):
    """The inputs with the region applied at scattered places: region(old, update) -> new.

    Operands are inputs.., scatter_indices, updates... `update_window_dims` are the update axes
    inside a window, which lacks `inserted_window_dims` and `input_batching_dims` (these run with
    `scatter_indices_batching_dims`); `scatter_dims_to_operand_dims` maps components of an index
    vector (along `index_vector_dim`) to input axes. Windows that stick out are skipped;
    `indices_are_sorted` and `unique_indices` are promises.
    """

    name = "stablehlo.scatter"


@irdl_op_definition
class SelectAndScatterOp(PureOp):
    """Per window of operand, the place the first region selects receives source.

    Operands are operand, source, init_value; the second region folds what meets at one place.
    Windows have `window_dimensions`, `window_strides`, `padding`.
    """

    name = "stablehlo.select_and_scatter"


@irdl_op_definition
class SortOp(PureOp):
    """The operands sorted together along `dimension` by the region's less-than.

    The region takes lhs0, rhs0, lhs1, rhs1, ..; `is_stable` keeps the order of equals.
    """

    name = "stablehlo.sort"
