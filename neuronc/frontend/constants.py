"""Constant payloads as NumPy arrays, without copying where MLIR's bytes are laid out like NumPy's.

MLIR hands out a buffer for f16, f32, f64, booleans and integers of 8 to 64 bits; splats come with
strides of 0. Other types (bf16, f8, i4, complex, ..) are read from the printed form, which is
hexadecimal for all but small payloads. So are `dense_resource` payloads, printed after the module.
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
RESOURCE = "dense_resource<"
RESOURCE_HEADER_BYTES = 4
"""The alignment, before a resource's data."""


class Constants:
    """Reads payloads of one program."""

    def __init__(self, module: ir.Operation) -> None:
        self._module = module
        self._resources: dict[str, bytes] | None = None

    def array(self, op: ir.Operation, shape: tuple[int, ...], element: ElementType) -> Array:
        """The payload of a `stablehlo.constant`."""
        view = _view(op.attributes["value"]) if element.name in BUFFERED else None
        if view is not None:
            return view
        text = _text_of(op)
        if text.startswith(RESOURCE):
            return _from_bytes(self._resource(text[len(RESOURCE) : -1]), shape, element)
        if text.startswith(HEX_DATA):
            return _from_bytes(bytes.fromhex(text[len(HEX_DATA) : -2]), shape, element)
        return _shaped(_parse_literals(text, element), shape)

    def _resource(self, name: str) -> bytes:
        """The payload of a resource; printing the module is the only way to it."""
        if self._resources is None:
            text = self._module.get_asm(enable_debug_info=False, large_elements_limit=1)
            found = re.findall(r'^\s+(\S+): "0x([0-9A-F]*)"', text, re.MULTILINE)
            self._resources = {k: bytes.fromhex(v)[RESOURCE_HEADER_BYTES:] for k, v in found}
        return self._resources[name]


def _view(attribute: ir.Attribute) -> Array | None:
    """A view of the attribute's bytes, which keeps the context alive."""
    if not isinstance(attribute, ir.DenseElementsAttr):
        return None
    return np.asarray(memoryview(cast(Any, attribute)))


def _text_of(op: ir.Operation) -> str:
    """The `dense<...>` of a constant; the payload is printed last, before its type."""
    text = op.get_asm(enable_debug_info=False)
    return text[text.rindex("dense") : text.rindex(">", 0, text.rindex(" : ")) + 1]


def _shaped(values: Array, shape: tuple[int, ...]) -> Array:
    """The values in their shape; a single one stands for all."""
    if values.size == 1:
        return np.broadcast_to(values.reshape(()), shape)
    return values.reshape(shape)


def _from_bytes(data: bytes, shape: tuple[int, ...], element: ElementType) -> Array:
    """The values from MLIR's bytes: whole bytes per element, little-endian.

    Sub-byte integers lose the bits above their width, which MLIR leaves as they are.
    """
    if element.is_integer and not element.numpy.isbuiltin:
        stored = np.frombuffer(data, np.uint8 if element.name.startswith("ui") else np.int8)
        return _shaped(stored.astype(element.numpy), shape)
    return _shaped(np.frombuffer(data, element.numpy), shape)


def _parse_literals(text: str, element: ElementType) -> Array:
    """Parse `dense<[[1.0, 0x7FC0], [..]]>`, with hexadecimal for what decimals cannot say."""
    words = re.findall(r"[^\s,\[\]()]+", text[len("dense<") : -1])
    part = np.dtype(f"f{element.bytes // 2}") if element.is_complex else element.numpy
    return np.array([_real(word, part) for word in words], part).view(element.numpy)


def _real(word: str, dtype: np.dtype[Any]) -> Any:
    """One literal; hexadecimal gives the bits of a float."""
    if word.lower().startswith("0x"):
        return np.array(int(word, 16), f"u{dtype.itemsize}").view(dtype)[()]
    number = float(word) if set(word) & set(".eE") else int(word)
    return np.array(number).astype(dtype)[()]
