"""Constants: one section of raw elements, mapped as they are.

Each constant starts at the next multiple of 64 bytes, or of 4096 if it has that many bytes; zeros
between. The places follow from the table, so they are not stored. The SHA-256 of a constant is
over its elements in row-major order, little-endian.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from neuronc.artifact.codec import DAMAGED
from neuronc.artifact.model import Constant
from neuronc.artifact.sections import PAGE_BYTES, SECTION_ALIGNMENT, aligned
from neuronc.dtypes import BY_NAME
from neuronc.errors import ArtifactError

_CHUNK_BYTES = 1 << 24


@dataclass(frozen=True)
class Place:
    """Where a constant is in the section; external ones are nowhere and have no bytes there."""

    offset: int
    bytes: int


def nbytes(shape: Sequence[int], dtype: str) -> int:
    """Bytes of an array of an element type by its MLIR name."""
    return prod(shape) * BY_NAME[dtype].bytes


def places(table: Sequence[Constant]) -> list[Place]:
    """Where each constant of the table is."""
    at = 0
    found: list[Place] = []
    for constant in table:
        size = 0 if constant.external else nbytes(constant.shape, constant.dtype)
        at = aligned(at, PAGE_BYTES if size >= PAGE_BYTES else SECTION_ALIGNMENT)
        found.append(Place(at, size))
        at += size
    return found


def section_bytes(table: Sequence[Constant]) -> int:
    """Size of the section."""
    return max((place.offset + place.bytes for place in places(table)), default=0)


def chunks(array: NDArray[np.generic]) -> Iterator[memoryview]:
    """The elements in row-major order, as bytes; never a copy of more than a few megabytes."""
    if array.flags.c_contiguous:
        yield array.reshape(-1).view(np.uint8).data
    elif array.nbytes <= _CHUNK_BYTES:
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    else:
        rows = max(1, _CHUNK_BYTES * len(array) // array.nbytes)
        for start in range(0, len(array), rows):
            block = array[start : start + rows]
            yield from chunks(block if len(block) > 1 else block[0])


def sha256_of(array: NDArray[np.generic]) -> str:
    """Hash the elements of an array."""
    digest = hashlib.sha256()
    for chunk in chunks(array):
        digest.update(chunk)
    return digest.hexdigest()


def hashed(constant: Constant, where: str) -> Constant:
    """The constant as the table holds it: with the hash of the elements that will be written.

    Raises:
        ArtifactError: it came with another hash, so it was damaged since.
    """
    if constant.external:
        return constant
    assert constant.array is not None
    assert constant.array.dtype == BY_NAME[constant.dtype].numpy
    assert constant.array.shape == constant.shape
    digest = sha256_of(constant.array)
    if constant.sha256 not in ("", digest):
        raise ArtifactError(where, "checksum does not match", DAMAGED, code="NRC-0404")
    return replace(constant, sha256=digest)


def write_elements(table: Sequence[Constant]) -> Iterator[bytes | memoryview]:
    """The bytes of the section, in pieces."""
    at = 0
    for constant, place in zip(table, places(table), strict=True):
        if place.bytes and constant.array is not None:
            yield bytes(place.offset - at)
            yield from chunks(constant.array)
            at = place.offset + place.bytes
    yield bytes(section_bytes(table) - at)


def view_elements(
    table: Sequence[Constant], section: memoryview, where: str, check: bool
) -> tuple[Constant, ...]:
    """Give each constant of the table its view of the section.

    Raises:
        ArtifactError: the section has another size, or, if `check`, other bytes.
    """
    if section_bytes(table) != len(section):
        problem = f"{len(section)} bytes, but the table needs {section_bytes(table)}"
        raise ArtifactError(where, problem, DAMAGED, code="NRC-0408")
    raw = np.frombuffer(section, np.uint8) if len(section) else np.zeros(0, np.uint8)
    found: list[Constant] = []
    end = 0
    for i, (constant, place) in enumerate(zip(table, places(table), strict=True)):
        if check and raw[end : place.offset].any():
            raise ArtifactError(
                f"{where}[{i}]", "the padding before it is not zero", DAMAGED, code="NRC-0405"
            )
        found.append(constant if constant.external else _view(constant, raw, place))
        if check and not constant.external:
            hashed(found[-1], f"{where}[{i}]")
        end = place.offset + place.bytes
    return tuple(found)


def _view(constant: Constant, raw: NDArray[np.uint8], place: Place) -> Constant:
    elements = raw[place.offset : place.offset + place.bytes]
    dtype = BY_NAME[constant.dtype].numpy
    return replace(constant, array=elements.view(dtype).reshape(constant.shape))
