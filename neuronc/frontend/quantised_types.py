"""The quantised types of a program: their storage, what they stand for, scales and zero points.

`!quant.uniform<i8<-100:100>:f32:1, {0.5:3, 0.25}>` is stored as i8 between -100 and 100, stands for
f32, and has a scale and a zero point for every index of dimension 1. No binding shows its parts, so
they are read off its text, in which MLIR prints a scale with as many digits as it takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jaxlib.mlir import ir

_PARTS = re.compile(
    r"!quant\.uniform<(?P<sign>[iu])(?P<bits>\d+)(<(?P<low>-?\d+):(?P<high>-?\d+)>)?"
    r":(?P<expressed>b?f\d+)(:(?P<axis>\d+))?, (?P<scales>[^{}]+|\{[^{}]+\})>$"
)


@dataclass(frozen=True)
class Quantised:
    """One quantised element type."""

    signed: bool
    bits: int
    low: int
    """Smallest and largest integer that quantising gives."""
    high: int
    expressed: str
    axis: int | None
    """The dimension that has its own scales; None: one scale for the tensor."""
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]

    @property
    def storage(self) -> str:
        """The integer type that holds the elements."""
        return f"{'' if self.signed else 'u'}i{self.bits}"

    @property
    def wide(self) -> str:
        """An integer type that holds the difference of any two elements."""
        return "i32" if self.bits <= 16 else "i64"


def parse(element: str) -> Quantised | None:
    """The parts of a printed element type; None for any other, and for scales in blocks."""
    match = _PARTS.match(element)
    if match is None:
        return None
    signed, bits = match["sign"] == "i", int(match["bits"])
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    pairs = [pair.strip().partition(":") for pair in match["scales"].strip("{}").split(",")]
    return Quantised(
        signed,
        bits,
        int(match["low"] or low),
        int(match["high"] or high),
        match["expressed"],
        None if match["axis"] is None else int(match["axis"]),
        tuple(float(scale) for scale, _, _ in pairs),
        tuple(int(zero or 0) for _, _, zero in pairs),
    )


class QuantisedTypes:
    """The types of one program, each looked at once."""

    def __init__(self) -> None:
        self._elements: dict[ir.Type, Quantised | None] = {}
        self._stored: dict[ir.Type, ir.Type] = {}

    def holds(self, type_: ir.Type) -> bool:
        """Whether a tensor is quantised, or a tuple holds one that is."""
        return self.stored(type_) is not type_

    def of(self, type_: ir.Type) -> Quantised:
        """The parts of a quantised tensor's element type."""
        found = self._element(self.element(type_))
        assert found is not None, f"{type_} is not quantised"
        return found

    def element(self, type_: ir.Type) -> ir.Type:
        """The element type of a tensor; any other type as it is."""
        return type_.element_type if isinstance(type_, ir.RankedTensorType) else type_

    def stored(self, type_: ir.Type) -> ir.Type:
        """The type with integers in the place of quantised elements; itself if there are none."""
        if type_ not in self._stored:
            self._stored[type_] = self._store(type_)
        return self._stored[type_] if self._stored[type_] != type_ else type_

    def _store(self, type_: ir.Type) -> ir.Type:
        if isinstance(type_, ir.TupleType):
            members = [self.stored(type_.get_type(index)) for index in range(type_.num_types)]
            return ir.TupleType.get_tuple(members, type_.context)
        if not isinstance(type_, ir.RankedTensorType):
            return type_
        kind = self._element(type_.element_type)
        return type_ if kind is None else with_element(type_, kind.storage)

    def _element(self, element: ir.Type) -> Quantised | None:
        if element not in self._elements:
            self._elements[element] = parse(str(element))
        return self._elements[element]


def with_element(type_: ir.Type, element: str) -> ir.Type:
    """A tensor type of the same shape and another element type."""
    tensor = ir.RankedTensorType(type_)
    other = ir.Type.parse(element, tensor.context)
    with tensor.context, ir.Location.unknown():
        return ir.RankedTensorType.get(tensor.shape, other, tensor.encoding)
