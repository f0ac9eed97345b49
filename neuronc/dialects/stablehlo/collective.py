"""Operations among the cores that run one program together.

`replica_groups` [[core..]..] says who takes part with whom; `channel_id` (0 for none) and
`use_global_device_ids` say how its numbers are to be read.
"""

from __future__ import annotations

from xdsl.irdl import irdl_op_definition

from neuronc.dialects.stablehlo.base import PureOp, StablehloOp


@irdl_op_definition
class AllGatherOp(StablehloOp):
    """The operands of the group one after another along `all_gather_dim`."""

    name = "stablehlo.all_gather"


@irdl_op_definition
class AllReduceOp(StablehloOp):
    """The operands of the group folded with the region, elementwise."""

    name = "stablehlo.all_reduce"


@irdl_op_definition
class AllToAllOp(StablehloOp):
    """Part k of `split_count` along `split_dimension` goes to member k of the group.

    What arrives is concatenated along `concat_dimension`.
    """

    name = "stablehlo.all_to_all"


@irdl_op_definition
class AsyncDoneOp(StablehloOp):
    """The results of the operation that `async_start` began."""

    name = "stablehlo.async_done"


@irdl_op_definition
class AsyncStartOp(StablehloOp):
    """Begin the collective in the region and go on."""

    name = "stablehlo.async_start"


@irdl_op_definition
class CollectiveBroadcastOp(StablehloOp):
    """The operand of the first member of the group."""

    name = "stablehlo.collective_broadcast"


@irdl_op_definition
class CollectivePermuteOp(StablehloOp):
    """The operand of the source in `source_target_pairs` [[source, target]..], else zeros."""

    name = "stablehlo.collective_permute"


@irdl_op_definition
class PartitionIdOp(PureOp):
    """The number of this partition, as a scalar ui32."""

    name = "stablehlo.partition_id"


@irdl_op_definition
class ReduceScatterOp(StablehloOp):
    """`all_reduce` with the region, of which each keeps its part along `scatter_dimension`."""

    name = "stablehlo.reduce_scatter"


@irdl_op_definition
class ReplicaIdOp(PureOp):
    """The number of this replica, as a scalar ui32."""

    name = "stablehlo.replica_id"
