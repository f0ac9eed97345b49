"""Values of a program: their types, and attributes about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jaxlib.mlir import ir

Value = ir.Value
Shape = tuple[int, ...]
Body = Callable[..., Sequence[ir.Value]]


def shape_of(value: Value) -> Shape:
    """The extents of a tensor."""
    return tuple(ir.RankedTensorType(value.type).shape)


def element_of(value: Value) -> str:
    """The element of a tensor, by its MLIR name."""
    return str(ir.RankedTensorType(value.type).element_type)


def int_array(values: Sequence[int]) -> ir.Attribute:
    """An attribute of 64-bit integers."""
    return ir.DenseI64ArrayAttr.get(list(values))


def int_attribute(value: int) -> ir.Attribute:
    """An attribute of one 64-bit integer."""
    return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), value)
