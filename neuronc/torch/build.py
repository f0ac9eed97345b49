"""Writing StableHLO: one method an operation, with the result's type worked out from the operands.

Shapes in the docstrings are those of the operands; extents are plain integers, since every graph
is static when it gets here.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxlib.mlir import ir

from neuronc.torch.building.lookup import Lookup
from neuronc.torch.building.values import Body, Value


class Build(Lookup):
    """Every operation; control flow is here, the rest in `neuronc.torch.building`."""

    def while_loop(self, state: Sequence[Value], condition: Body, body: Body) -> list[Value]:
        """Run `body` on the state while `condition` of it holds."""
        types = [v.type for v in state]
        made = self.op("stablehlo.while", state, types, regions=2)
        for region, function in zip(made.regions, (condition, body), strict=True):
            block = region.blocks.append(*types, arg_locs=[self.loc] * len(types))
            inner = self.inside(block)
            inner.op("stablehlo.return", function(inner, *block.arguments), [])
        return list(made.results)

    def conditional(
        self, predicate: Value, types: Sequence[ir.Type], branches: Sequence[Body]
    ) -> list[Value]:
        """The first branch if the scalar predicate holds, else the second."""
        made = self.op("stablehlo.if", [predicate], types, regions=2)
        for region, function in zip(made.regions, branches, strict=True):
            inner = self.inside(region.blocks.append())
            inner.op("stablehlo.return", function(inner), [])
        return list(made.results)
