"""Data movement: everything that only copies elements to other places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuronc.numerics import cast
from neuronc.numerics.casting import Array
from neuronc.runtime.library.registry import Params, ResultType, library


@library("iota")
def iota(params: Params, operands: Sequence[Array], results: Sequence[ResultType]) -> list[Array]:
    """0, 1, .. along `iota_dimension`."""
    shape, dtype = results[0].shape, results[0].dtype
    axis = int(params["iota_dimension"])
    line = cast(np.arange(shape[axis], dtype=np.int64), dtype)
    return [np.broadcast_to(line.reshape(_column(len(shape), axis)), shape)]


def _column(rank: int, axis: int) -> tuple[int, ...]:
    """A shape that puts a vector along `axis`."""
    return tuple(-1 if d == axis else 1 for d in range(rank))


@library("broadcast_in_dim")
def broadcast_in_dim(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """Operand axis d becomes result axis `broadcast_dimensions`[d]; extents of 1 repeat."""
    shape, axes = results[0].shape, list(params["broadcast_dimensions"])
    operand = operands[0].transpose(np.argsort(axes)) if axes else operands[0]
    expanded = [1] * len(shape)
    for axis, extent in zip(axes, operands[0].shape, strict=True):
        expanded[axis] = extent
    return [np.broadcast_to(operand.reshape(expanded), shape)]


@library("broadcast")
def broadcast(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """New leading axes of `broadcast_sizes`."""
    return [np.broadcast_to(operands[0], results[0].shape)]


@library("reshape")
def reshape(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """The same elements in row-major order."""
    return [operands[0].reshape(results[0].shape)]


@library("transpose")
def transpose(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """Result axis d is operand axis `permutation`[d]."""
    return [operands[0].transpose([int(d) for d in params["permutation"]])]


@library("reverse")
def reverse(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """Elements in opposite order along `dimensions`."""
    return [np.flip(operands[0], axis=tuple(params["dimensions"]))]


@library("slice")
def slice_(params: Params, operands: Sequence[Array], results: Sequence[ResultType]) -> list[Array]:
    """operand[start_indices:limit_indices:strides]."""
    bounds = (params["start_indices"], params["limit_indices"], params["strides"])
    return [operands[0][tuple(slice(*b) for b in zip(*bounds, strict=True))]]


def clamped(starts: Sequence[Array], limits: Sequence[int]) -> list[int]:
    """Start indices as integers, moved so that each is within 0 and its limit."""
    return [min(max(int(s), 0), limit) for s, limit in zip(starts, limits, strict=True)]


@library("dynamic_slice")
def dynamic_slice(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """A window of `slice_sizes` that starts at the scalar operands, moved inside."""
    operand, *starts = operands
    sizes = [int(size) for size in params["slice_sizes"]]
    limits = [extent - size for extent, size in zip(operand.shape, sizes, strict=True)]
    corner = clamped(starts, limits)
    return [operand[tuple(slice(s, s + n) for s, n in zip(corner, sizes, strict=True))]]


@library("dynamic_update_slice")
def dynamic_update_slice(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """The operand with a window replaced by update, moved inside."""
    operand, update, *starts = operands
    limits = [extent - size for extent, size in zip(operand.shape, update.shape, strict=True)]
    corner = clamped(starts, limits)
    result = operand.copy()
    result[tuple(slice(s, s + n) for s, n in zip(corner, update.shape, strict=True))] = update
    return [result]


def padded(x: Array, value: Array, low: Sequence[int], step: Sequence[int], shape: Sequence[int]):
    """Place x[i] at low + i * step in an array of `value`; what falls outside is dropped."""
    result = np.full(tuple(shape), value, x.dtype)
    inside: list[slice] = []
    places: list[slice] = []
    for extent, start, by, size in zip(x.shape, low, step, shape, strict=True):
        first = max(0, -(start // by))
        last = min(extent, max(first, -((start - size) // by)))
        inside.append(slice(first, last))
        places.append(slice(start + first * by, max(start + (last - 1) * by + 1, 0), by))
        if first >= last:
            return result
    result[tuple(places)] = x[tuple(inside)]
    return result


@library("pad")
def pad(params: Params, operands: Sequence[Array], results: Sequence[ResultType]) -> list[Array]:
    """`edge_padding_low`, `edge_padding_high` (both may cut) and `interior_padding`."""
    low = [int(n) for n in params["edge_padding_low"]]
    step = [int(n) + 1 for n in params["interior_padding"]]
    return [padded(operands[0], operands[1], low, step, results[0].shape)]


@library("concatenate")
def concatenate(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """The operands one after another along `dimension`."""
    return [np.concatenate(operands, axis=int(params["dimension"]))]


@library("get_dimension_size")
def get_dimension_size(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """The extent of `dimension` as an i32."""
    return [np.asarray(operands[0].shape[int(params["dimension"])], np.int32)]


@library("optimization_barrier")
def optimization_barrier(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """The operands."""
    return list(operands)


@library("tuple")
def tuple_(params: Params, operands: Sequence[Array], results: Sequence[ResultType]) -> list[Array]:
    """The operands: tuples are flat lists at run time."""
    return list(operands)
