"""Write constants to a safetensors file, where they can be replaced without compiling again."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from neuronc.artifact.external import STORED_AS
from neuronc.artifact.output import new_path
from neuronc.dtypes import BY_NUMPY
from neuronc.errors import InputError


def can_be_external(dtype: np.dtype) -> bool:
    """Whether a safetensors file can hold arrays of this type."""
    return BY_NUMPY[dtype].name in STORED_AS


def write_external(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write named arrays, whole or not at all; types the format lacks become unsigned bytes.

    Raises:
        InputError: the file cannot be written.
    """
    tensors = {name: _storable(array) for name, array in arrays.items()}
    with new_path(path) as temporary:
        try:
            save_file(tensors, temporary)
        except SafetensorError as error:
            raise InputError(os.fspath(path), f"cannot write: {error}") from error


def _storable(array: NDArray[np.generic]) -> NDArray[np.generic]:
    flat = np.ascontiguousarray(array).reshape(array.shape)
    if STORED_AS[BY_NUMPY[array.dtype].name] == "U8":
        return flat.view(np.uint8)
    return flat
