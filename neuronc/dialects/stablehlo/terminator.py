"""The end of a region."""

from __future__ import annotations

from xdsl.irdl import irdl_op_definition, traits_def
from xdsl.traits import IsTerminator, Pure

from neuronc.dialects.stablehlo.base import StablehloOp


@irdl_op_definition
class ReturnOp(StablehloOp):
    """The operands are the results of the region."""

    name = "stablehlo.return"

    traits = traits_def(IsTerminator(), Pure())
