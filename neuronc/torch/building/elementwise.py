"""Writing constants, and functions of the elements."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo
from numpy.typing import NDArray

from neuronc.torch.building.movement import Movement
from neuronc.torch.building.values import Shape, Value, element_of, int_attribute, shape_of
from neuronc.torch.elements import NUMPY_OF, is_complex, is_float, is_unsigned, tensor_type


class Elementwise(Movement):
    """Constants, and functions of the elements."""

    def splat(self, value: complex, shape: Shape, element: str) -> Value:
        """One number everywhere."""
        array = np.array(value).astype(NUMPY_OF[element])
        scalar = self.array(array)
        return scalar if shape == () else self.broadcast_in_dim(scalar, shape, ())

    def array(self, array: NDArray[Any]) -> Value:
        """A constant with these elements."""
        element = _NAMES[array.dtype]
        type_ = tensor_type(array.shape, element)
        bits = _bits(np.ascontiguousarray(array).reshape(array.shape))
        attribute = ir.DenseElementsAttr.get(bits, type=type_.element_type, shape=array.shape)
        return self.op("stablehlo.constant", [], [type_], value=attribute).results[0]

    def like(self, value: complex, x: Value) -> Value:
        """One number in the shape and element of `x`."""
        return self.splat(value, shape_of(x), element_of(x))

    def iota(self, shape: Shape, dimension: int, element: str) -> Value:
        """The index along a dimension."""
        return self.one("iota", [], shape, element, iota_dimension=int_attribute(dimension))

    # Elementwise.

    def unary(self, name: str, x: Value) -> Value:
        """A function of the elements of one tensor."""
        return self.one(name, [x], shape_of(x), element_of(x))

    def binary(self, name: str, x: Value, y: Value) -> Value:
        """A function of the elements of two tensors of one type."""
        return self.one(name, [x, y], shape_of(x), element_of(x))

    def add(self, x: Value, y: Value) -> Value:
        """X + y."""
        return self.binary("add", x, y)

    def subtract(self, x: Value, y: Value) -> Value:
        """X - y."""
        return self.binary("subtract", x, y)

    def multiply(self, x: Value, y: Value) -> Value:
        """X * y."""
        return self.binary("multiply", x, y)

    def divide(self, x: Value, y: Value) -> Value:
        """X / y."""
        return self.binary("divide", x, y)

    def maximum(self, x: Value, y: Value) -> Value:
        """The larger of each pair; NaN if one is."""
        return self.binary("maximum", x, y)

    def minimum(self, x: Value, y: Value) -> Value:
        """The smaller of each pair; NaN if one is."""
        return self.binary("minimum", x, y)

    def erf(self, x: Value) -> Value:
        """The error function."""
        return self.op("chlo.erf", [x], [x.type]).results[0]

    def chlo(self, name: str, *operands: Value) -> Value:
        """A CHLO function of the elements."""
        return self.op(f"chlo.{name}", operands, [operands[0].type]).results[0]

    def convert(self, x: Value, element: str) -> Value:
        """The elements in another type; to a boolean, whether they differ from zero."""
        if element_of(x) == element:
            return x
        if element == "i1":
            return self.compare("NE", x, self.like(0, x))
        if is_complex(element_of(x)) and not is_complex(element):
            return self.convert(self.real(x), element)
        if is_float(element_of(x)) and element in _NARROW:
            # What is out of range wraps around in torch, and would saturate in StableHLO.
            x = self.one("convert", [x], shape_of(x), "i32")
        return self.one("convert", [x], shape_of(x), element)

    def real(self, x: Value) -> Value:
        """The real part; of real numbers themselves."""
        return x if (part := part_of(x)) == element_of(x) else self._part("real", x, part)

    def magnitude(self, x: Value) -> Value:
        """|x|, of complex numbers too, and real."""
        return self._part("abs", x, part_of(x))

    def conjugate(self, x: Value) -> Value:
        """The complex conjugate; of real numbers themselves."""
        if (part := part_of(x)) == element_of(x):
            return x
        negated = self.unary("negate", self._part("imag", x, part))
        return self.one("complex", [self.real(x), negated], shape_of(x), element_of(x))

    def _part(self, name: str, x: Value, part: str) -> Value:
        return self.one(name, [x], shape_of(x), part)

    def compare(self, direction: str, x: Value, y: Value) -> Value:
        """Compare two tensors of one type: EQ, NE, LT, LE, GT, GE."""
        element = element_of(x)
        real = is_float(element) or is_complex(element)
        kind = "FLOAT" if real else "UNSIGNED" if is_unsigned(element) else "SIGNED"
        return self.one(
            "compare",
            [x, y],
            shape_of(x),
            "i1",
            comparison_direction=stablehlo.ComparisonDirectionAttr.get(direction),
            compare_type=stablehlo.ComparisonTypeAttr.get(kind),
        )

    def select(self, chosen: Value, x: Value, y: Value) -> Value:
        """X where chosen, else y."""
        return self.one("select", [chosen, x, y], shape_of(x), element_of(x))


def part_of(x: Value) -> str:
    """The element of the parts of complex numbers; of others, their own."""
    element = element_of(x)
    return element[len("complex<") : -1] if is_complex(element) else element


def _bits(array: NDArray[Any]) -> NDArray[Any]:
    """What MLIR takes for elements: NumPy's own types, others as their bits."""
    if array.dtype.isbuiltin:
        return array
    return array.view(f"u{array.dtype.itemsize}")


_NARROW = ("i8", "i16", "ui8", "ui16")
_NAMES = {dtype: element for element, dtype in NUMPY_OF.items()}
