"""Scatter: updates folded into windows of the inputs at index vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuronc.numerics.casting import Array
from neuronc.runtime.library.folding import combine_at
from neuronc.runtime.library.indexing import (
    Windows,
    batch_axes,
    full_axes,
    index_vectors,
    window_starts,
)
from neuronc.runtime.library.programs import regions
from neuronc.runtime.library.registry import Params, ResultType, library


@library("scatter")
def scatter(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """input[start(batch) + offset] = region(input[..], update[batch.., offset..]), in order.

    Windows that do not lie inside the input are skipped whole.
    """
    count = len(operands) // 2
    inputs, indices, updates = operands[:count], operands[count], operands[count + 1 :]
    windows = _windows(params, inputs[0].shape, indices, updates[0].shape)
    split = len(windows.indexed)
    order = windows.indexed + windows.full
    shape = tuple(inputs[0].shape[d] for d in order)
    places, kept = _places(windows, shape[:split], inputs[0].shape)
    width = int(np.prod(shape[split:], dtype=np.int64))
    rows = int(np.prod(shape[:split], dtype=np.int64))
    targets = [x.transpose(order).reshape(rows, width) for x in inputs]
    sources = [_rows(u, params, windows, width)[kept] for u in updates]
    folded = combine_at(regions(params)[0], targets, places[kept], sources)
    return [x.reshape(shape).transpose(np.argsort(order)) for x in folded]


def _windows(
    params: Params, shape: tuple[int, ...], indices: Array, update_shape: tuple[int, ...]
) -> Windows:
    """The windows that the updates cover."""
    batching = [int(d) for d in params.get("input_batching_dims", [])]
    dropped = {*params["inserted_window_dims"], *batching}
    offsets = tuple(d for d in range(len(shape)) if d not in dropped)
    sizes = [1] * len(shape)
    for d, axis in zip(offsets, sorted(params["update_window_dims"]), strict=True):
        sizes[d] = update_shape[axis]
    vectors = index_vectors(indices, int(params["index_vector_dim"]))
    index_map = params["scatter_dims_to_operand_dims"]
    along = batch_axes(params, "scatter_indices_batching_dims")
    starts = window_starts(vectors, index_map, batching, along, len(shape))
    addressed = {*index_map, *batching}
    full = tuple(d for d in full_axes(offsets, sizes, shape) if d not in addressed)
    return Windows(tuple(starts), vectors.shape[:-1], tuple(sizes), offsets, full)


def _places(
    windows: Windows, extents: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[Array, Array]:
    """The row each update row goes to, and whether its window lies inside."""
    batch = windows.batch
    inside = np.ones((1,) * len(batch), np.bool_)
    for start, size, extent in zip(windows.starts, windows.sizes, shape, strict=True):
        # start <= extent - size rather than start + size <= extent, which may overflow
        inside = inside & (start >= 0) & (start <= extent - size)
    inner = tuple(windows.sizes[d] for d in windows.window_axes)
    place: Array = np.zeros((1,) * (len(batch) + len(inner)), np.int64)
    for index, extent in zip(windows.index(), extents, strict=True):
        place = place * extent + index
    kept = np.broadcast_to(inside.reshape(inside.shape + (1,) * len(inner)), batch + inner)
    return np.broadcast_to(place, batch + inner).reshape(-1), kept.reshape(-1)


def _rows(updates: Array, params: Params, windows: Windows, width: int) -> Array:
    """Updates as [batch * window_axes, full]."""
    window_dims = sorted(params["update_window_dims"])
    batch = [d for d in range(updates.ndim) if d not in window_dims]
    stored = windows.window_axes + windows.full
    inner = [window_dims[windows.offsets.index(d)] for d in stored]
    moved = updates.transpose([*batch, *inner])
    split = moved.ndim - len(windows.full)
    return moved.reshape(int(np.prod(moved.shape[:split], dtype=np.int64)), width)
