"""Constant payloads: handles to NumPy arrays that live outside the IR.

The array is whatever the producer handed in, often a read-only view of its buffer; a splat stays
one element with strides of 0. Small payloads compare by content and print their values, large
ones compare by identity and print `"..."`, which cannot be parsed back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import Data
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer

from neuronc.dtypes import BY_NAME, BY_NUMPY, ElementType

SMALL = 16
"""Payloads up to this many elements are compared and printed by content."""

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Handle:
    """One array, compared by content when small and by identity when large.

    One with a name may be replaced after the compilation: nothing may depend on its values.
    """

    array: Array
    name: str = ""

    def key(self) -> tuple[object, ...]:
        """What equality and hash look at."""
        array = self.array
        if self.name:
            return (self.name,)
        if array.size > SMALL and not is_splat(array):
            return (id(array),)
        return (array.shape, array.dtype.str, array.dtype.name, small_bytes(array))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and self.key() == other.key()

    def __hash__(self) -> int:
        return hash(self.key())


@irdl_attr_definition
class Weight(Data[Handle]):
    """A constant's payload: `#stablehlo.weight<"f32", [2, 3], "1.0 2.0 ...">`."""

    name = "stablehlo.weight"

    @staticmethod
    def of(array: Array, name: str = "") -> Weight:
        """The handle to an array; the array is neither copied nor changed."""
        return Weight(Handle(array, name))

    @property
    def array(self) -> Array:
        """The values."""
        return self.data.array

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Handle:
        """Read back a small payload or a splat."""
        with parser.in_angle_brackets():
            element = BY_NAME[parser.parse_str_literal()]
            parser.parse_punctuation(",")
            shape = parser.parse_comma_separated_list(parser.Delimiter.SQUARE, parser.parse_integer)
            parser.parse_punctuation(",")
            text = parser.parse_str_literal()
        if text == "...":
            parser.raise_error("the values of this constant were not printed")
        return Handle(read_values(text, tuple(shape), element))

    def print_parameter(self, printer: Printer) -> None:
        """Print element type, shape and, when small, the values."""
        array = self.array
        with printer.in_angle_brackets():
            printer.print_string_literal(BY_NUMPY[array.dtype].name)
            printer.print_string(f", {list(array.shape)}, ")
            printer.print_string_literal("..." if self.data.name else format_values(array))


def is_splat(array: Array) -> bool:
    """Whether one stored element stands for all (strides of 0), without looking at values."""
    return array.size > 0 and not any(array.strides)


def small_bytes(array: Array) -> bytes:
    """The bytes of a small array, or of a splat's one element."""
    return _elements(array).tobytes()


def format_values(array: Array) -> str:
    """The values in row-major order, one word each; one word for a splat."""
    if array.size > SMALL and not is_splat(array):
        return "..."
    return " ".join(_format_value(value) for value in _elements(array))


def read_values(text: str, shape: tuple[int, ...], element: ElementType) -> Array:
    """Invert `format_values`."""
    values = [_read_value(word, element) for word in text.split()]
    stored = np.array(values, dtype=element.numpy)
    if len(values) == 1:
        return np.broadcast_to(stored.reshape(()), shape)
    return stored.reshape(shape)


def _elements(array: Array) -> Array:
    """The stored elements in row-major order."""
    return array[(slice(0, 1),) * array.ndim].reshape(1) if is_splat(array) else array.reshape(-1)


def _format_value(value: np.generic) -> str:
    """One value as a decimal word if that is exact, else as the hexadecimal of its bytes."""
    item: object = value.item()
    word = str(item if isinstance(item, bool | int | float | complex) else float(value))
    dtype = np.asarray(value).dtype
    exact = _read_value(word, BY_NUMPY[dtype]).tobytes() == value.tobytes()
    return word if exact else "0x" + value.tobytes().hex()


def _read_value(word: str, element: ElementType) -> np.generic:
    if word.startswith("0x"):
        return np.frombuffer(bytes.fromhex(word[2:]), element.numpy)[0]
    if word in ("True", "False"):
        return np.bool_(word == "True")
    number = complex(word) if element.is_complex else _real(word)
    return np.array([number]).astype(element.numpy)[0]


def _real(word: str) -> int | float:
    return float(word) if set(word) & set(".enf") else int(word)
