"""Move constants to a safetensors file, where they can be replaced without compiling again."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from neuronc.artifact.constants import chunks, nbytes, sha256_of
from neuronc.artifact.external import STORED_AS
from neuronc.artifact.model import Artifact, Constant
from neuronc.artifact.output import new_file
from neuronc.dtypes import BY_NUMPY

BYTES_MIN = 1024
"""Smaller constants are no weights; they stay in the artifact."""
ALIGNMENT = 8
"""Of the first tensor, by the length of the header."""


def externalize(artifact: Artifact) -> Artifact:
    """Name the constants that go to a safetensors file; `write_external` writes them."""
    constants = [_externalized(c, f"constant{i}") for i, c in enumerate(artifact.constants)]
    return replace(artifact, constants=tuple(constants))


def _externalized(constant: Constant, name: str) -> Constant:
    if constant.array is None or constant.dtype not in STORED_AS or constant.external:
        return constant
    if nbytes(constant.shape, constant.dtype) < BYTES_MIN:
        return constant
    return replace(constant, external=name, sha256=sha256_of(constant.array))


def write_external(path: str | os.PathLike[str], artifact: Artifact) -> None:
    """Write the external constants, whole or not at all, without copying them.

    Types that the format lacks become unsigned bytes.

    Raises:
        InputError: the file cannot be written.
    """
    attached = {c.external: c.array for c in artifact.constants if c.external}
    tensors = {name: array for name, array in attached.items() if array is not None}
    # The widest first keeps every tensor aligned, for they follow each other without gaps.
    order = sorted(tensors, key=lambda name: -tensors[name].itemsize)
    with new_file(path) as file:
        file.write(_header({name: tensors[name] for name in order}))
        for name in order:
            for chunk in chunks(tensors[name]):
                file.write(chunk)


def _header(tensors: Mapping[str, NDArray[np.generic]]) -> bytes:
    """The length of a JSON object, and that object: type, shape and place of every tensor."""
    entries: dict[str, dict[str, object]] = {}
    at = 0
    for name, array in tensors.items():
        dtype = STORED_AS[BY_NUMPY[array.dtype].name]
        place = [at, at + array.nbytes]
        entries[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": place}
        at += array.nbytes
    text = json.dumps(entries, separators=(",", ":")).encode()
    padded = text.ljust(-(-len(text) // ALIGNMENT) * ALIGNMENT)
    return struct.pack("<Q", len(padded)) + padded
