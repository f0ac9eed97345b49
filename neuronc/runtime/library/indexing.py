"""Gather, and what it shares with scatter: where each window starts and which elements it covers.

Operand axes fall in two groups: *full* window axes, which a window covers whole and which are
copied as runs of memory, and *indexed* axes, which are addressed by index arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neuronc.numerics.casting import Array, widen
from neuronc.runtime.library.registry import Params, ResultType, library


@dataclass(frozen=True)
class Windows:
    """Windows of `sizes` in an operand; each batch element has one."""

    starts: tuple[Array, ...]
    """Per operand axis, the first index: an int64 array that broadcasts to `batch`."""
    batch: tuple[int, ...]
    sizes: tuple[int, ...]
    offsets: tuple[int, ...]
    """Operand axes that stay as axes of the window, in order."""
    full: tuple[int, ...]
    """Those of `offsets` that a window covers whole."""

    @property
    def indexed(self) -> tuple[int, ...]:
        """Operand axes addressed by index arrays."""
        return tuple(d for d in range(len(self.sizes)) if d not in self.full)

    @property
    def window_axes(self) -> tuple[int, ...]:
        """The `offsets` among the `indexed` axes."""
        return tuple(d for d in self.offsets if d not in self.full)

    def index(self) -> tuple[Array, ...]:
        """Per indexed axis, indices that broadcast to batch + extents of `window_axes`."""
        inner = len(self.window_axes)
        arrays: list[Array] = []
        for d in self.indexed:
            start = self.starts[d]
            index: Array = np.expand_dims(start, tuple(range(start.ndim, start.ndim + inner)))
            if d in self.window_axes:
                place = inner - 1 - self.window_axes.index(d)
                index = index + np.arange(self.sizes[d]).reshape(-1, *[1] * place)
            arrays.append(index)
        return tuple(arrays)


def full_axes(
    offsets: Sequence[int], sizes: Sequence[int], shape: Sequence[int]
) -> tuple[int, ...]:
    """The window axes that cover their operand axis."""
    return tuple(d for d in offsets if sizes[d] == shape[d])


def index_vectors(indices: Array, axis: int) -> Array:
    """Index vectors as int64 with their components last: [*batch, component]."""
    wide = widen(indices)
    if wide.dtype == np.uint64:
        wide = np.minimum(wide, np.uint64(np.iinfo(np.int64).max))
    wide = wide.astype(np.int64)
    return wide[..., None] if axis == wide.ndim else np.moveaxis(wide, axis, -1)


def window_starts(
    vectors: Array,
    index_map: Sequence[int],
    operand_batching: Sequence[int],
    batch_axes: Sequence[int],
    rank: int,
) -> list[Array]:
    """The start of every window along each operand axis; 0 where nothing is said."""
    batch = vectors.shape[:-1]
    starts: list[Array] = [np.zeros((1,) * len(batch), np.int64) for _ in range(rank)]
    for component, axis in enumerate(index_map):
        starts[axis] = vectors[..., component]
    for axis, along in zip(operand_batching, batch_axes, strict=True):
        shape = [1] * len(batch)
        shape[along] = batch[along]
        starts[axis] = np.arange(int(batch[along])).reshape(shape)
    return starts


def batch_axes(params: Params, name: str) -> list[int]:
    """Axes of the index array named by a parameter, as axes of its batch."""
    vector = int(params["index_vector_dim"])
    return [int(d) - (int(d) > vector) for d in params.get(name, [])]


@library("gather")
def gather(params: Params, operands: Sequence[Array], results: Sequence[ResultType]) -> list[Array]:
    """Windows of `slice_sizes` at the index vectors, moved inside the operand.

    result[batch.., offset..] = operand[start(batch) + offset], with the offset axes of the result
    at `offset_dims`, without `collapsed_slice_dims` and `operand_batching_dims`.
    """
    operand, indices = operands
    batching = [int(d) for d in params.get("operand_batching_dims", [])]
    sizes = tuple(int(size) for size in params["slice_sizes"])
    dropped = {*params["collapsed_slice_dims"], *batching}
    offsets = tuple(d for d in range(operand.ndim) if d not in dropped)
    vectors = index_vectors(indices, int(params["index_vector_dim"]))
    along = batch_axes(params, "start_indices_batching_dims")
    starts = window_starts(vectors, params["start_index_map"], batching, along, operand.ndim)
    inside = tuple(
        np.clip(start, 0, extent - size)
        for start, extent, size in zip(starts, operand.shape, sizes, strict=True)
    )
    full = full_axes(offsets, sizes, operand.shape)
    windows = Windows(inside, vectors.shape[:-1], sizes, offsets, full)
    return [_arrange(_take(operand, windows), windows, params["offset_dims"])]


def _take(operand: Array, windows: Windows) -> Array:
    """Elements as [*batch, *window_axes, *full]."""
    source = operand.transpose(windows.indexed + windows.full)
    inner = tuple(windows.sizes[d] for d in windows.window_axes)
    rows = tuple(operand.shape[d] for d in windows.full)
    index = windows.index()
    if not index:
        return np.broadcast_to(source, windows.batch + inner + rows)
    taken = source[index]
    return np.broadcast_to(taken, windows.batch + inner + rows)


def _arrange(taken: Array, windows: Windows, offset_dims: Sequence[int]) -> Array:
    """Move the window's axes to `offset_dims`, the batch axes to the others, in order."""
    stored = windows.window_axes + windows.full
    first = len(windows.batch)
    offset_axes = iter(first + stored.index(d) for d in windows.offsets)
    batch = iter(range(first))
    order = [next(offset_axes) if d in offset_dims else next(batch) for d in range(taken.ndim)]
    return taken.transpose(order)


@library("torch_index_select")
def torch_index_select(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """Slices of the operand along `dim` at the indices, one set per batch (`batch_dims`)."""
    operand, index = operands
    axis, batch_dims = int(params["dim"]), int(params["batch_dims"])
    if batch_dims == 0:
        return [np.take(operand, index, axis=axis, mode="clip")]
    rows = [
        np.take(operand[b], index[b], axis - batch_dims, mode="clip")
        for b in np.ndindex(operand.shape[:batch_dims])
    ]
    return [np.stack(rows).reshape(results[0].shape)]
