"""What all StableHLO operations share: lists of operands, results and regions, and parameters.

Attributes are flat parameters with the names of the specification (`params`), plus `loc`, the
source line `file.py:31` as a string, when it is known. MLIR has verified the program already, so
classes carry the law of an operation in their docstring and only the traits that passes need.
In the docstrings `operand`, `lhs`, `rhs` name the operands in order, and a parameter is in
backquotes. Which element types an operation accepts is the specification's business.
"""

from __future__ import annotations

from abc import ABC

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation
from xdsl.irdl import IRDLOperation, traits_def, var_operand_def, var_region_def, var_result_def
from xdsl.traits import Pure, RecursiveMemoryEffect


class StablehloOp(IRDLOperation, ABC):
    """An operation that may have side effects."""

    inputs = var_operand_def()
    outputs = var_result_def()
    bodies = var_region_def()


class PureOp(StablehloOp, ABC):
    """An operation whose only effect is its results; unused ones may be erased."""

    traits = traits_def(Pure())


class RegionOp(StablehloOp, ABC):
    """An operation with exactly the side effects of its regions."""

    traits = traits_def(RecursiveMemoryEffect())


def location(op: Operation) -> str:
    """The source line of an operation, or its name when that is unknown."""
    loc = op.attributes.get("loc")
    return loc.data if isinstance(loc, StringAttr) else op.name
