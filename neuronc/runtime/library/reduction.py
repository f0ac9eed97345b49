"""Reductions over axes and windows, select_and_scatter, and map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from neuronc.numerics import FUNCTIONS
from neuronc.numerics.casting import Array, is_numpys, widen
from neuronc.runtime.library.folding import (
    accumulator,
    combine_at,
    fold_axes,
    fold_rows,
    in_order,
    ufunc_of,
)
from neuronc.runtime.library.movement import padded
from neuronc.runtime.library.programs import Program, regions
from neuronc.runtime.library.registry import Params, ResultType, library


@library("reduce")
def reduce(params: Params, operands: Sequence[Array], results: Sequence[ResultType]) -> list[Array]:
    """Inputs.. folded along `dimensions` from init_values.. by the region."""
    count = len(operands) // 2
    inputs, inits = operands[:count], operands[count:]
    axes = [int(d) for d in params["dimensions"]]
    return fold_axes(regions(params)[0], inputs, inits, axes)


@library("map")
def map_(params: Params, operands: Sequence[Array], results: Sequence[ResultType]) -> list[Array]:
    """The region applied elementwise."""
    return regions(params)[0].run(operands)


@dataclass(frozen=True)
class Frame:
    """How windows lie over an operand of one shape."""

    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    base: tuple[int, ...]
    """Dilation of the operand."""
    dilations: tuple[int, ...]
    """Dilation of the window."""
    padding: tuple[tuple[int, int], ...]

    @staticmethod
    def of(params: Params, rank: int) -> Frame:
        """Read the parameters, with their defaults."""
        ones = [1] * rank
        pads = params.get("padding") or [[0, 0]] * rank
        return Frame(
            tuple(params.get("window_dimensions") or ones),
            tuple(params.get("window_strides") or ones),
            tuple(params.get("base_dilations") or ones),
            tuple(params.get("window_dilations") or ones),
            tuple((int(low), int(high)) for low, high in pads),
        )

    def pad(self, x: Array, value: Array) -> Array:
        """The operand dilated and padded with a rank-0 value."""
        shape = [
            max(0, (n - 1) * base + 1 if n else 0) + low + high
            for n, base, (low, high) in zip(x.shape, self.base, self.padding, strict=True)
        ]
        lows = [low for low, _ in self.padding]
        return padded(x, value, lows, self.base, [max(0, n) for n in shape])

    def windows(self, x: Array) -> Array:
        """View a padded operand as [*window, *places]."""
        if not is_numpys(x.dtype):
            return self.windows(x.view(f"u{x.itemsize}")).view(x.dtype)
        spans = [(n - 1) * d + 1 for n, d in zip(self.sizes, self.dilations, strict=True)]
        places = tuple(
            max(0, (n - span) // stride + 1)
            for n, span, stride in zip(x.shape, spans, self.strides, strict=True)
        )
        steps = [s * d for s, d in zip(x.strides, self.dilations, strict=True)]
        moves = [s * d for s, d in zip(x.strides, self.strides, strict=True)]
        if 0 in places:
            return np.empty(self.sizes + places, x.dtype)
        return as_strided(x, self.sizes + places, [*steps, *moves], writeable=False)


@library("reduce_window")
def reduce_window(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """Inputs.. folded over every window; padding is made of init_values."""
    count = len(operands) // 2
    inputs, inits = operands[:count], operands[count:]
    rank = inputs[0].ndim
    frame, program = Frame.of(params, rank), regions(params)[0]
    spread = [frame.pad(x, init) for x, init in zip(inputs, inits, strict=True)]
    name, length = program.reduction, math.prod(frame.sizes)
    if name is not None and not in_order(name, inputs[0].dtype, length):
        return [_window_function(name, spread[0], inits[0], frame)]
    views = [frame.windows(x) for x in spread]
    places = views[0].shape[rank:]
    rows = [view.reshape(-1, *places) for view in views]
    return fold_rows(program, rows, [np.broadcast_to(init, places) for init in inits])


def _window_function(name: str, x: Array, init: Array, frame: Frame) -> Array:
    """Fold windows by a named function, one axis after the other."""
    dtype, rank = x.dtype, x.ndim
    wide = accumulator(name, dtype)
    ufunc = ufunc_of(name, dtype)
    total = widen(x).astype(wide, copy=False)
    with np.errstate(all="ignore"):
        for axis in range(rank):
            total = _fold_axis(ufunc, total, frame, axis)
        return np.asarray(ufunc(widen(init).astype(wide), total)).astype(dtype, copy=False)


def _fold_axis(ufunc: np.ufunc, x: Array, frame: Frame, axis: int) -> Array:
    """Fold windows along one axis."""
    size, stride = frame.sizes[axis], frame.strides[axis]
    dilation = frame.dilations[axis]
    places = max(0, (x.shape[axis] - (size - 1) * dilation - 1) // stride + 1)
    lead = (slice(None),) * axis
    stop = (places - 1) * stride + 1
    if places == 0 or size == 1:
        return x[(*lead, slice(0, max(stop, 0), stride))]
    if _is_prefix(frame, axis, places):
        return ufunc.accumulate(x, axis=axis)[(*lead, slice(size - 1, None))]
    parts = (x[(*lead, slice(k * dilation, k * dilation + stop, stride))] for k in range(size))
    total = np.array(next(parts))
    for part in parts:
        ufunc(total, part, out=total)
    return total


def _is_prefix(frame: Frame, axis: int, places: int) -> bool:
    """Whether windows along an axis are the prefixes of the operand (a cumulative fold)."""
    plain = frame.strides[axis] == frame.dilations[axis] == frame.base[axis] == 1
    whole = frame.padding[axis] == (frame.sizes[axis] - 1, 0) and places == frame.sizes[axis]
    return plain and whole


@library("select_and_scatter")
def select_and_scatter(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """Per window of operand, source goes to the element that `select` keeps; `scatter` folds."""
    operand, source, init = operands
    select, scatter = regions(params)
    frame = Frame.of(params, operand.ndim)
    number = np.arange(operand.size).reshape(operand.shape)
    values = frame.windows(frame.pad(operand, init)).reshape(-1, *source.shape)
    origin = frame.windows(frame.pad(number, np.asarray(-1))).reshape(-1, *source.shape)
    place = _selected(select, values, origin)
    start = np.broadcast_to(init, (operand.size, 1))
    hit = place.reshape(-1) >= 0
    updates = source.reshape(-1, 1)[hit]
    folded = combine_at(scatter, [start], place.reshape(-1)[hit], [updates])
    return [folded[0].reshape(operand.shape)]


def _selected(select: Program, values: Array, origin: Array) -> Array:
    """Where in the operand the selected element of each window is; padding is never selected."""
    best, place = np.asarray(values[0]), np.asarray(origin[0])
    for value, where in zip(values[1:], origin[1:], strict=True):
        keep: Array = (select.run([best, value])[0] & (place >= 0)) | (where < 0)
        best = FUNCTIONS["select"].evaluate(keep, best, value)
        place = np.where(keep, place, where)
    return place
