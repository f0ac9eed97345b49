"""Arrays in `.npz` files: a program's inputs and outputs by name.

Inputs are named arg0, arg1, ... or as in the signature; outputs out0, out1, ... Types that NumPy
files cannot name (bf16, f8, i4, ...) are kept as unsigned integers of the same size; reading takes
them back, and also the raw bytes that `numpy.savez` makes of such an array.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from neuronc.artifact.model import TensorInfo
from neuronc.artifact.output import new_file
from neuronc.dtypes import BY_NAME, ElementType
from neuronc.errors import InputError

Array = NDArray[np.generic]
FilePath = str | os.PathLike[str]

RANDOM_INTEGERS = 10
"""Random integers are below this, so that they index most things one looks up with them."""


class _Archive(Protocol):
    """What NumPy gives for a `.npz` file."""

    files: list[str]

    def __getitem__(self, key: str) -> Array | bytes:
        """A member: an array, or the bytes of something else."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


_INTEGER_LIMITS = {"i1": 2, "i2": 2, "ui2": 4, "i4": 8}
_UNSIGNED_FLOATS = ("f8E8M0FNU",)


def read_npz(path: FilePath) -> dict[str, Array]:
    """Read all arrays of a file, by name.

    Raises:
        InputError: it cannot be read, or is no `.npz` file of plain arrays.
    """
    name = os.fspath(path)
    hint = "make it with numpy.savez(path, arg0=..., arg1=...)"
    try:
        arrays = _load(Path(path))
    except OSError as error:
        problem = f"cannot read: {error.strerror or error}"
        raise InputError(name, problem, code="NRC-0101") from error
    # Damaged files make zipfile, its decompressors and NumPy raise errors of every kind.
    except Exception as error:
        raise InputError(
            name, f"not a .npz file of arrays: {error}", hint, code="NRC-0509"
        ) from None
    if arrays is None:
        raise InputError(name, "one array without a name", hint, code="NRC-0509")
    return arrays


def write_npz(path: FilePath, arrays: Mapping[str, Array]) -> None:
    """Write arrays by name, whole or not at all; the same arrays give the same bytes.

    Raises:
        InputError: the file cannot be written.
    """
    with new_file(path) as file:
        np.savez(file, allow_pickle=False, **{key: storable(a) for key, a in arrays.items()})


def read_inputs(path: FilePath, infos: Sequence[TensorInfo]) -> list[Array]:
    """Read a program's inputs, in order.

    Raises:
        InputError: the file is damaged, or an array is missing, unknown, or of another shape or
            type.
    """
    return in_order(read_npz(path), infos, "arg", os.fspath(path))


def write_outputs(path: FilePath, outputs: Sequence[Array]) -> None:
    """Write a program's outputs as out0, out1, ...

    Raises:
        InputError: the file cannot be written.
    """
    write_npz(path, {f"out{i}": array for i, array in enumerate(outputs)})


def in_order(
    arrays: Mapping[str, Array], infos: Sequence[TensorInfo], prefix: str, where: str
) -> list[Array]:
    """The array for each of `infos`, found by its name or by `prefix` and its position.

    Raises:
        InputError: one is missing, unknown, or of another shape or type.
    """
    keys = [next(_keys(arrays, info, f"{prefix}{i}"), "") for i, info in enumerate(infos)]
    missing = [f"{prefix}{i}" for i, key in enumerate(keys) if not key]
    unknown = sorted(set(arrays) - set(keys))
    if missing or unknown:
        problems = [f"{', '.join(missing)} missing"] * bool(missing)
        problems += [f"{', '.join(unknown)} not known"] * bool(unknown)
        names = ", ".join(dict.fromkeys(f"{prefix}{i}" for i in range(len(infos)))) or "nothing"
        raise InputError(where, "; ".join(problems), f"it should hold {names}", code="NRC-0510")
    pairs = zip(keys, infos, strict=True)
    return [as_type(arrays[key], info, f"{where}: {key}") for key, info in pairs]


def as_type(array: Array, info: TensorInfo, where: str) -> Array:
    """The array as `info` wants it, its bits unchanged.

    Raises:
        InputError: it has another shape or type.
    """
    row = BY_NAME[info.dtype]
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    if native.dtype != row.numpy:
        if not _holds_bits(native.dtype, row):
            problem = f"type is {native.dtype}, {info.dtype} ({stored_type(row)}) is needed"
            raise InputError(where, problem, "convert it with array.astype", code="NRC-0503")
        native = np.ascontiguousarray(native).reshape(native.shape).view(row.numpy)
    if native.shape != info.shape:
        problem = f"shape is {list(native.shape)}, {list(info.shape)} is needed"
        raise InputError(where, problem, code="NRC-0502")
    return native


def storable(array: Array) -> Array:
    """The array, or its bits as unsigned integers if NumPy files cannot name its type."""
    if array.dtype.isbuiltin == 1:
        return array
    return np.ascontiguousarray(array).reshape(array.shape).view(f"u{array.itemsize}")


def stored_type(row: ElementType) -> np.dtype:
    """The NumPy type that files hold an element type as."""
    return row.numpy if row.numpy.isbuiltin == 1 else np.dtype(f"u{row.bytes}")


def random_inputs(infos: Sequence[TensorInfo], seed: int) -> list[Array]:
    """An array for each of `infos`: floats from a normal distribution, integers from 0 to 9."""
    generator = np.random.default_rng(seed)
    return [_random(generator, info) for info in infos]


def _load(path: Path) -> dict[str, Array] | None:
    """All arrays by name; None for a file of one array, which has no name."""
    loaded: Array | _Archive = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return None
    with closing(loaded):
        members = {key: loaded[key] for key in loaded.files}
    return {key: value for key, value in members.items() if isinstance(value, np.ndarray)}


def _random(generator: np.random.Generator, info: TensorInfo) -> Array:
    row = BY_NAME[info.dtype]
    if row.is_complex:
        parts = generator.standard_normal((2, *info.shape))
        return (parts[0] + 1j * parts[1]).astype(row.numpy)
    if row.is_float:
        values = generator.standard_normal(info.shape, np.float64 if row.bytes > 4 else np.float32)
        return np.asarray(np.abs(values) if row.name in _UNSIGNED_FLOATS else values, row.numpy)
    most = _INTEGER_LIMITS.get(row.name, RANDOM_INTEGERS)
    return np.asarray(generator.integers(0, most, info.shape, np.uint8), row.numpy)


def _keys(arrays: Mapping[str, Array], info: TensorInfo, position: str) -> Iterator[str]:
    return (key for key in (info.name, position) if key in arrays)


def _holds_bits(dtype: np.dtype, row: ElementType) -> bool:
    """Whether this is how a file holds a type it cannot name: as unsigned integers, or raw."""
    hidden = row.numpy.isbuiltin != 1
    return hidden and dtype.kind in "uV" and dtype.itemsize == row.bytes and dtype.names is None
