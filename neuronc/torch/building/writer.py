"""Writing any operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from jaxlib.mlir import ir

from neuronc.torch.building.values import Shape, Value
from neuronc.torch.elements import tensor_type


class Writer:
    """Appends operations to a block, all at the location `loc` until it changes."""

    def __init__(self, block: ir.Block, loc: ir.Location) -> None:
        self.loc = loc
        self._ip = ir.InsertionPoint(block)

    def op(
        self,
        name: str,
        operands: Sequence[Value],
        types: Sequence[ir.Type],
        regions: int = 0,
        **attributes: ir.Attribute,
    ) -> ir.Operation:
        """Any operation, by its full name."""
        return ir.Operation.create(
            name,
            results=list(types),
            operands=list(operands),
            attributes=attributes,
            regions=regions,
            loc=self.loc,
            ip=self._ip,
        )

    def one(
        self, name: str, operands: Sequence[Value], shape: Shape, element: str, **more: ir.Attribute
    ) -> Value:
        """A StableHLO operation with one result of this shape and element."""
        made = self.op(f"stablehlo.{name}", operands, [tensor_type(shape, element)], 0, **more)
        return made.results[0]

    def inside(self, block: ir.Block) -> Self:
        """The same, writing into another block."""
        return type(self)(block, self.loc)
