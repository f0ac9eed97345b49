"""Weights in a safetensors file beside the artifact, mapped as they are.

An external constant names a tensor of the file. Shape and element type must match at every load;
the contents may be others than those compiled with, since weights are replaceable: `replaced`
lists such tensors, and `check=True` refuses them.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from neuronc.artifact.constants import nbytes, sha256_of
from neuronc.artifact.mapping import map_file
from neuronc.artifact.model import Artifact, Constant
from neuronc.dtypes import BY_NAME, ELEMENT_TYPES
from neuronc.errors import InputError

HEADER_BYTES_MAX = 100_000_000
"""The limit that the safetensors library sets."""

_LENGTH = struct.Struct("<Q")
_NATIVE = {
    "i1": "BOOL",
    "i8": "I8",
    "ui8": "U8",
    "i16": "I16",
    "ui16": "U16",
    "i32": "I32",
    "ui32": "U32",
    "i64": "I64",
    "ui64": "U64",
    "f16": "F16",
    "bf16": "BF16",
    "f32": "F32",
    "f64": "F64",
    "f8E4M3FN": "F8_E4M3",
    "f8E5M2": "F8_E5M2",
    "f8E8M0FNU": "F8_E8M0",
}
STORED_AS = _NATIVE | {
    r.name: "U8" for r in ELEMENT_TYPES if r.bytes == 1 and r.name not in _NATIVE
}
"""The type of a safetensors tensor that holds an element type; complex ones have none."""


@dataclass(frozen=True)
class Tensor:
    """One tensor of a safetensors file."""

    dtype: str
    shape: tuple[int, ...]
    data: NDArray[np.uint8]


def attach(artifact: Artifact, path: str | os.PathLike[str], *, check: bool = False) -> Artifact:
    """Give the external constants their elements, as views of the file.

    Raises:
        InputError: the file is no safetensors file, lacks a tensor, or has one of another shape or
            type; with `check`, also if one has other contents than it was compiled with.
    """
    name = os.fspath(path)
    tensors = read_tensors(map_file(path), name)
    constants = tuple(_attached(c, tensors, name) if c.external else c for c in artifact.constants)
    found = replace(artifact, constants=constants)
    if check and (changed := replaced(found)):
        problem = f"{', '.join(changed)}: not the weights that were compiled"
        raise InputError(
            name, problem, "without --check, replaced weights are used as they are", code="NRC-0601"
        )
    return found


def replaced(artifact: Artifact) -> tuple[str, ...]:
    """The attached tensors whose elements are not those that were compiled; reads all of them."""
    return tuple(
        c.external
        for c in artifact.constants
        if c.external and c.array is not None and sha256_of(c.array) != c.sha256
    )


def read_tensors(data: memoryview, name: str) -> dict[str, Tensor]:
    """Parse a safetensors file: the tensors by name, as views.

    Raises:
        InputError: it is damaged, or not a safetensors file.
    """
    header, body = _split(data, name)
    raw = np.frombuffer(body, np.uint8)
    found: dict[str, Tensor] = {}
    spans: list[tuple[int, int]] = []
    for key, value in header.items():
        if key != "__metadata__":
            dtype, shape, (start, stop) = _entry(value, name, key)
            found[key] = Tensor(dtype, shape, raw[start:stop])
            spans.append((start, stop))
    _check_spans(spans, len(body), name)
    return found


def _split(data: memoryview, name: str) -> tuple[dict[str, object], memoryview]:
    if len(data) < _LENGTH.size:
        raise _damaged(name, f"file ends after {len(data)} bytes")
    (size,) = _LENGTH.unpack_from(data)
    stop = _LENGTH.size + size
    if size > HEADER_BYTES_MAX or stop > len(data):
        raise _damaged(name, f"a header of {size} bytes in a file of {len(data)}")
    try:
        text = str(data[_LENGTH.size : stop], "utf-8")
        header: object = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _damaged(name, f"the header is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise _damaged(name, "the header is not a JSON object")
    return cast(dict[str, object], header), data[stop:]


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _entry(value: object, name: str, key: str) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """The type, shape and place of one tensor, checked to be of the right kinds."""
    entry = cast(dict[str, object], value) if isinstance(value, dict) else {}
    dtype, shape, place = (entry.get(k) for k in ("dtype", "shape", "data_offsets"))
    if not isinstance(dtype, str) or not _sizes(shape) or not _sizes(place):
        raise _damaged(name, f"the entry of {key} is not understood")
    offsets = tuple(cast(list[int], place))
    if len(offsets) != 2:
        raise _damaged(name, f"the entry of {key} is not understood")
    return dtype, tuple(cast(list[int], shape)), offsets


def _sizes(value: object) -> bool:
    items = cast(list[object], value) if isinstance(value, list) else [-1]
    return all(type(n) is int and n >= 0 for n in items)


def _check_spans(spans: Sequence[tuple[int, int]], size: int, name: str) -> None:
    """The tensors fill the file after the header, without a gap or an overlap."""
    at = 0
    for start, stop in sorted(spans):
        if start != at or stop < start:
            raise _damaged(name, f"a tensor at {start} to {stop}, but the one before ends at {at}")
        at = stop
    if at != size:
        raise _damaged(name, f"the tensors have {at} bytes, but {size} follow the header")


def _attached(constant: Constant, tensors: dict[str, Tensor], name: str) -> Constant:
    tensor = tensors.get(constant.external)
    if tensor is None:
        hint = "use the file that was written with the artifact, or one with the same names"
        raise InputError(name, f"tensor {constant.external} is missing", hint, code="NRC-0602")
    wanted = f"{STORED_AS.get(constant.dtype, constant.dtype)}{list(constant.shape)}"
    if wanted != f"{tensor.dtype}{list(tensor.shape)}":
        problem = f"tensor {constant.external} is {tensor.dtype}{list(tensor.shape)}"
        hint = "replaced weights must have the shapes and types that were compiled"
        raise InputError(name, f"{problem}, but {wanted} was compiled", hint, code="NRC-0603")
    if len(tensor.data) != nbytes(constant.shape, constant.dtype):
        problem = f"tensor {constant.external} has {len(tensor.data)} bytes, {wanted} needs"
        raise _damaged(name, f"{problem} {nbytes(constant.shape, constant.dtype)}")
    array = tensor.data.view(BY_NAME[constant.dtype].numpy).reshape(constant.shape)
    return replace(constant, array=array if array.flags.aligned else array.copy())


def _damaged(name: str, problem: str) -> InputError:
    return InputError(
        name, problem, "the file is damaged or is not a safetensors file", code="NRC-0604"
    )
