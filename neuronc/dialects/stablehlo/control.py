"""Control flow, order, tuples and calls out of the program."""

from __future__ import annotations

from xdsl.irdl import irdl_op_definition

from neuronc.dialects.stablehlo.base import PureOp, RegionOp, StablehloOp


@irdl_op_definition
class AfterAllOp(StablehloOp):
    """A token that is after all operand tokens."""

    name = "stablehlo.after_all"


@irdl_op_definition
class CaseOp(RegionOp):
    """The results of region number index, or of the last region when there is none."""

    name = "stablehlo.case"


@irdl_op_definition
class CompositeOp(StablehloOp):
    """A named operation `name` with a decomposition; the frontend expands it."""

    name = "stablehlo.composite"


@irdl_op_definition
class CreateTokenOp(StablehloOp):
    """A fresh token."""

    name = "stablehlo.create_token"


@irdl_op_definition
class CustomCallOp(StablehloOp):
    """`call_target_name` applied to the operands, as its owner defines it.

    It may be erased unless `has_side_effect`; `backend_config` is text (JSON if it was structured).
    """

    name = "stablehlo.custom_call"


@irdl_op_definition
class GetTupleElementOp(PureOp):
    """Member `index` of a tuple."""

    name = "stablehlo.get_tuple_element"


@irdl_op_definition
class IfOp(RegionOp):
    """The results of the first region if the scalar predicate holds, else of the second."""

    name = "stablehlo.if"


@irdl_op_definition
class InfeedOp(StablehloOp):
    """Values from the host, after a token."""

    name = "stablehlo.infeed"


@irdl_op_definition
class OptimizationBarrierOp(PureOp):
    """The operands; nothing is moved across."""

    name = "stablehlo.optimization_barrier"


@irdl_op_definition
class OutfeedOp(StablehloOp):
    """Values to the host, after a token."""

    name = "stablehlo.outfeed"


@irdl_op_definition
class RecvOp(StablehloOp):
    """Values from another process on `channel_id`, after a token."""

    name = "stablehlo.recv"


@irdl_op_definition
class RngOp(StablehloOp):
    """Random values with `rng_distribution` UNIFORM in [a, b) or NORMAL of mean a, deviation b."""

    name = "stablehlo.rng"


@irdl_op_definition
class RngBitGeneratorOp(PureOp):
    """The state after, and random bits from, `rng_algorithm` started at a state."""

    name = "stablehlo.rng_bit_generator"


@irdl_op_definition
class SendOp(StablehloOp):
    """Values to another process on `channel_id`, after a token."""

    name = "stablehlo.send"


@irdl_op_definition
class TupleOp(PureOp):
    """The operands as one value."""

    name = "stablehlo.tuple"


@irdl_op_definition
class WhileOp(RegionOp):
    """The operands, updated by the second region as long as the first one holds."""

    name = "stablehlo.while"
