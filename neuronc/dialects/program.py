"""The program dialect: the short list above the kernels.

`program.fusion` groups StableHLO ops that become one kernel, in place; `program.kernel` is such a
group outlined as a symbol, compiled once; `program.call` runs it on buffers. `program.windows` is
the view of all windows of a tensor, which turns convolutions and window reductions into
contractions and reductions.
"""

from __future__ import annotations

from xdsl.ir import Dialect
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import IsTerminator, Pure, SymbolOpInterface


@irdl_op_definition
class FusionOp(IRDLOperation):
    """Ops that become one kernel of `kind` map, contract, move or library."""

    name = "program.fusion"

    inputs = var_operand_def()
    outputs = var_result_def()
    body = region_def("single_block")


@irdl_op_definition
class KernelOp(IRDLOperation):
    """A fusion outlined: block arguments are its inputs, `program.yield` its outputs."""

    name = "program.kernel"

    body = region_def("single_block")
    traits = traits_def(SymbolOpInterface())


@irdl_op_definition
class CallOp(IRDLOperation):
    """Run the kernel `callee` on the operands' buffers."""

    name = "program.call"

    inputs = var_operand_def()
    outputs = var_result_def()


@irdl_op_definition
class YieldOp(IRDLOperation):
    """What a fusion or kernel hands out."""

    name = "program.yield"

    values = var_operand_def()
    traits = traits_def(IsTerminator())


@irdl_op_definition
class WindowsOp(IRDLOperation):
    """result[o..., w...] = operand[o * stride + w * dilation], per windowed dimension.

    `dimensions` lists the windowed dimensions of the operand; the result has the operand's rank
    with those replaced by their number of windows, then one dimension per window.
    """

    name = "program.windows"

    inputs = var_operand_def()
    outputs = var_result_def()
    traits = traits_def(Pure())


@irdl_op_definition
class MaterializeOp(IRDLOperation):
    """result = operand, written out dense: where a view cannot be read as one."""

    name = "program.materialize"

    inputs = var_operand_def()
    outputs = var_result_def()
    traits = traits_def(Pure())


PROGRAM = Dialect("program", [FusionOp, KernelOp, CallOp, YieldOp, WindowsOp, MaterializeOp], [])
