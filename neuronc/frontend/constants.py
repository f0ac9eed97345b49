"""Constant payloads as NumPy arrays, without copying where MLIR's bytes are laid out like NumPy's.

MLIR hands out a buffer for f16, f32, f64, booleans and integers of 8 to 64 bits; splats come with
strides of 0. Other types (bf16, f8, i4, complex, ..) are read from the printed form, which is
hexadecimal for all but small payloads.
"""

from __future__ import annotations

import re
from typing import Any, cast

import numpy as np
from jaxlib.mlir import ir
from numpy.typing import NDArray

from neuronc.dtypes import ElementType

Array = NDArray[Any]

BUFFERED = frozenset(
    ("i1", "i8", "i16", "i32", "i64", "ui8", "ui16", "ui32", "ui64", "f16", "f32", "f64")
)
"""Element types that MLIR exposes through the buffer protocol."""

HEX_DATA = 'dense<"0x'


def array_of(op: ir.Operation, shape: tuple[int, ...], element: ElementType) -> Array:
    """The payload of a `stablehlo.constant`."""
    if element.name in BUFFERED:
        array = _view(op.attributes["value"])
        if array is not None:
            return array
    return _parse(_text_of(op), shape, element)


def _view(attribute: ir.Attribute) -> Array | None:
    """A view of the attribute's bytes, which keeps the context alive."""
    if not isinstance(attribute, ir.DenseElementsAttr):
        return None
    return np.asarray(memoryview(cast(Any, attribute)))


def _text_of(op: ir.Operation) -> str:
    """The `dense<...>` of a constant; the payload is printed last, before its type."""
    text = str(op.get_asm(enable_debug_info=False))
    return text[text.rindex("dense") : text.rindex(">", 0, text.rindex(" : ")) + 1]


def _parse(text: str, shape: tuple[int, ...], element: ElementType) -> Array:
    if text.startswith(HEX_DATA):
        stored = np.frombuffer(bytes.fromhex(text[len(HEX_DATA) : -2]), _storage(element))
    else:
        stored = _parse_literals(text, element)
    values = _from_storage(stored, element)
    if values.size == 1:
        return np.broadcast_to(values.reshape(()), shape)
    return values.reshape(shape)


def _storage(element: ElementType) -> np.dtype[Any]:
    """How MLIR lays out one element: whole bytes, little-endian."""
    if element.is_complex:
        return element.numpy
    return np.dtype(f"u{element.bytes}")


def _from_storage(stored: Array, element: ElementType) -> Array:
    """The elements in their own type; sub-byte integers lose the bits above their width."""
    if stored.dtype == element.numpy:
        return stored
    if element.is_integer and element.bytes == 1:
        return stored.view(np.int8 if element.name.startswith("i") else np.uint8).astype(
            element.numpy
        )
    return stored.view(element.numpy)


def _parse_literals(text: str, element: ElementType) -> Array:
    """Parse `dense<[[1.0, 0x7FC0], [..]]>`, with hexadecimal for what decimals cannot say."""
    words = re.findall(r"[^\s,\[\]()]+", text[len("dense<") : -1])
    if element.is_complex:
        part = np.dtype(f"f{element.bytes // 2}")
        return np.array([_real(w, part) for w in words], part).view(element.numpy)
    return np.array([_real(word, element.numpy) for word in words], element.numpy)


def _real(word: str, dtype: np.dtype[Any]) -> np.generic:
    """One literal; hexadecimal gives the bits of a float."""
    if word in ("true", "false"):
        return np.bool_(word == "true")
    if word.lower().startswith("0x"):
        return np.array(int(word, 16), f"u{dtype.itemsize}").view(dtype)[()]
    if "." in word or "e" in word.lower():
        return np.array(float(word)).astype(dtype)[()]
    return np.array(int(word)).astype(dtype)[()]
