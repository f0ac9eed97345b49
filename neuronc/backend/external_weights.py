"""Move constants to a safetensors file, where they can be replaced without compiling again."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from neuronc.artifact.constants import nbytes, sha256_of
from neuronc.artifact.external import STORED_AS
from neuronc.artifact.model import Artifact, Constant
from neuronc.artifact.output import new_path
from neuronc.dtypes import BY_NUMPY
from neuronc.errors import InputError

BYTES_MIN = 1024
"""Smaller constants are no weights; they stay in the artifact."""


def externalize(artifact: Artifact) -> Artifact:
    """Name the constants that go to a safetensors file; `write_external` writes them."""
    constants = [_externalized(c, f"constant{i}") for i, c in enumerate(artifact.constants)]
    return replace(artifact, constants=tuple(constants))


def _externalized(constant: Constant, name: str) -> Constant:
    if constant.array is None or constant.dtype not in STORED_AS:
        return constant
    if nbytes(constant.shape, constant.dtype) < BYTES_MIN:
        return constant
    return replace(constant, external=name, sha256=sha256_of(constant.array))


def write_external(path: str | os.PathLike[str], artifact: Artifact) -> None:
    """Write the external constants, whole or not at all.

    Types that the format lacks become unsigned bytes.

    Raises:
        InputError: the file cannot be written.
    """
    tensors = {
        c.external: _storable(c.array)
        for c in artifact.constants
        if c.external and c.array is not None
    }
    with new_path(path) as temporary:
        try:
            save_file(tensors, temporary)
        except SafetensorError as error:
            raise InputError(os.fspath(path), f"cannot write: {error}", code="NRC-0605") from error


def _storable(array: NDArray[np.generic]) -> NDArray[np.generic]:
    flat = np.ascontiguousarray(array).reshape(array.shape)
    return flat.view(np.uint8) if STORED_AS[BY_NUMPY[array.dtype].name] == "U8" else flat
