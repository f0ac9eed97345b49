"""The arithmetic of quantised values, as operations.

    dequantise(q) = (q - zero_point) * scale
    quantise(x)   = round_nearest_even(clamp(low, x / scale + zero_point, high))

Both are the specification's formulas in the expressed type; the difference is taken in a wider
integer. CHLO's broadcasts keep them right for dynamic shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxlib.mlir import ir

from neuronc.frontend.quantised_types import Quantised, QuantisedTypes, with_element


@dataclass(frozen=True)
class Writer:
    """Writes the operations in front of a place, with its location."""

    types: QuantisedTypes

    def dequantise(self, value: ir.Value, at: ir.InsertionPoint, loc: ir.Location) -> ir.Value:
        """What a quantised value stands for."""
        kind = self.types.of(value.type)
        line = _Line(kind, at, loc)
        wide = line.one("stablehlo.convert", with_element(value.type, kind.wide), value)
        zeros = line.parameters(kind.zero_points, kind.wide)
        centred = line.broadcast("subtract", wide, zeros)
        type_ = with_element(value.type, kind.expressed)
        real = line.one("stablehlo.convert", type_, centred)
        return line.broadcast("multiply", real, line.parameters(kind.scales, kind.expressed))

    def quantise(
        self, value: ir.Value, target: ir.Type, at: ir.InsertionPoint, loc: ir.Location
    ) -> ir.Value:
        """The nearest element of a quantised type."""
        kind = self.types.of(target)
        line = _Line(kind, at, loc)
        scaled = line.broadcast("divide", value, line.parameters(kind.scales, kind.expressed))
        zeros = line.parameters(kind.zero_points, kind.expressed)
        moved = line.broadcast("add", scaled, zeros)
        low, high = (line.constant(end) for end in (kind.low, kind.high))
        kept = line.one("stablehlo.clamp", value.type, low, moved, high)
        whole = line.one("stablehlo.round_nearest_even", value.type, kept)
        return line.one("stablehlo.convert", target, whole)


@dataclass(frozen=True)
class _Line:
    """Operations about one quantised type."""

    kind: Quantised
    at: ir.InsertionPoint
    loc: ir.Location

    def one(self, name: str, type_: ir.Type, *operands: ir.Value) -> ir.Value:
        """The result of a new operation."""
        made = ir.Operation.create(
            name, results=[type_], operands=list(operands), loc=self.loc, ip=self.at
        )
        return made.results[0]

    def broadcast(self, name: str, value: ir.Value, parameters: ir.Value) -> ir.Value:
        """An operation of a value and the parameters of its axis, or of the whole tensor."""
        axes = [] if self.kind.axis is None else [self.kind.axis]
        made = ir.Operation.create(
            f"chlo.broadcast_{name}",
            results=[value.type],
            operands=[value, parameters],
            attributes={"broadcast_dimensions": ir.DenseI64ArrayAttr.get(axes)},
            loc=self.loc,
            ip=self.at,
        )
        return made.results[0]

    def parameters(self, numbers: Sequence[float], element: str) -> ir.Value:
        """Scales or zero points as a tensor of one dimension, or of none."""
        exact = [float(number) if "f" in element else int(number) for number in numbers]
        listed = exact[0] if self.kind.axis is None else exact
        shape = "" if self.kind.axis is None else f"{len(numbers)}x"
        return self._literal(f"dense<{listed}> : tensor<{shape}{element}>")

    def constant(self, number: int) -> ir.Value:
        """A scalar of the expressed type."""
        return self._literal(f"dense<{float(number)}> : tensor<{self.kind.expressed}>")

    def _literal(self, text: str) -> ir.Value:
        literal = ir.DenseElementsAttr(ir.Attribute.parse(text))
        made = ir.Operation.create(
            "stablehlo.constant",
            results=[literal.type],
            attributes={"value": literal},
            loc=self.loc,
            ip=self.at,
        )
        return made.results[0]
