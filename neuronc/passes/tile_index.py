"""Tile data movement whose addresses are values: dynamic slices, gathers and scatters.

    %y = stablehlo.gather %table[V, D], %ids[N]
  becomes
    for N / 128 { load ids[128, 1]; clamp; times D; tile.gather y[128, D], table, offsets }

Each index becomes one element offset, computed exactly on gpsimd; the DMA queue then moves one
window an offset. It skips negative offsets, so they count from the lowest address where the table
is read backwards (a reversed view). A scatter updates its operand's buffer in place (the program
copies it first where the old value is still needed), in index order, and skips windows that are
out of bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from xdsl.ir import Operation, SSAValue

from neuronc.dialects.access import Affine
from neuronc.dialects.stablehlo.movement import DynamicSliceOp, DynamicUpdateSliceOp, GatherOp
from neuronc.dialects.stablehlo.reduction import ScatterOp
from neuronc.dialects.types import element_type, shape_of
from neuronc.dtypes import BY_NAME
from neuronc.hardware import Generation
from neuronc.isa.operands import FREE_DIMENSIONS_MAX
from neuronc.numerics import REDUCTIONS
from neuronc.passes.attributes import integer, ints
from neuronc.passes.body import Body, element, location
from neuronc.passes.builder import Builder
from neuronc.passes.functions import function_name
from neuronc.passes.iteration import Strided, Tile, collapse
from neuronc.passes.operand import Ref, hbm
from neuronc.passes.tile_move import view_in
from neuronc.passes.views import View, dense

_I32 = BY_NAME["i32"]


def lower_index(body: Body, builder: Builder, hw: Generation) -> None:
    """Emit a kernel of one op that moves data to or from computed addresses."""
    (op,) = body.compute
    builder.loc, builder.source = location(op), op.name
    if isinstance(op, DynamicSliceOp):
        _dynamic_slice(body, builder, op)
    elif isinstance(op, DynamicUpdateSliceOp):
        _dynamic_update_slice(body, builder, op)
    elif isinstance(op, GatherOp):
        _gather(body, builder, hw, op)
    else:
        assert isinstance(op, ScatterOp)
        _scatter(body, builder, hw, op)


def ties_of(op: Operation) -> bool:
    """Whether the op's result must start as the buffer of its first operand."""
    return isinstance(op, DynamicUpdateSliceOp | ScatterOp)


def scatter_function(op: ScatterOp) -> str | None:
    """The function that combines old and new: '' to overwrite, None where the DMA has none."""
    if len(op.results) != 1:
        return None
    block = op.regions[0].block
    body = list(block.ops)
    if len(body) == 1:
        return "" if body[0].operands[0] is block.args[1] else None
    name = function_name(body[0])
    simple = len(body) == 2 and set(body[0].operands) == set(block.args)
    return name if simple and name in REDUCTIONS and element_type(op.results[0]).is_float else None


def _dynamic_slice(body: Body, builder: Builder, op: Operation) -> None:
    operand = view_in(body, op.operands[0])
    sizes = ints(op, "slice_sizes")
    offset, index = _start(body, builder, op.operands[1:], operand, sizes)
    window = operand.window([slice(n) for n in sizes])
    _move(builder, dense(body.outputs[0], tuple(sizes)), window, offset, index, scatter=False)


def _dynamic_update_slice(body: Body, builder: Builder, op: Operation) -> None:
    whole = dense(body.outputs[0], shape_of(op.results[0]))
    update = view_in(body, op.operands[1])
    offset, index = _start(body, builder, op.operands[2:], whole, update.shape)
    window = whole.window([slice(n) for n in update.shape])
    _move(builder, window, update, offset, index, scatter=True)


def _start(
    body: Body,
    builder: Builder,
    starts: Sequence[SSAValue],
    operand: View,
    sizes: Sequence[int],
) -> tuple[int, Ref]:
    """The clamped start as a constant offset and a [1, 1] block of the rest."""
    offset = 0
    moving: list[tuple[SSAValue, int, int]] = []
    for value, extent, size, stride in zip(
        starts, operand.shape, sizes, operand.strides, strict=True
    ):
        source = body.source(value)
        if isinstance(source, np.ndarray):
            offset += min(max(int(source), 0), extent - size) * stride
        elif extent > size and stride:
            moving.append((value, extent - size, stride))
    lift = sum(_backwards(limit, stride) for _, limit, stride in moving)
    total = builder.alloc(1, 1, _I32)
    builder.fill(total.all(), float(lift))
    for value, limit, stride in moving:
        view = view_in(body, value)
        place = (view.source, Affine(view.offset), 0)
        index = _load_index(builder, element(value).name, place, 1)
        _clamp(builder, index, limit)
        _add_scaled(builder, total, index, stride)
    return offset - lift, total


def _backwards(limit: int, stride: int) -> int:
    """How far below its start an index of at most `limit` reaches."""
    return max(0, -stride) * limit


def _move(builder: Builder, dst: View, src: View, offset: int, index: Ref, scatter: bool) -> None:
    """One window to or from a dynamic address."""
    sizes, _, (to, from_) = collapse(
        dst.shape, [0] * len(dst.shape), [Strided.of(dst), Strided.of(src)]
    )
    outer = max(0, len(sizes) - FREE_DIMENSIONS_MAX)
    for starts, counts in builder.nest(sizes[:outer], [1] * outer):
        tile = Tile(starts, counts)
        to_at = tile.offset(to.strides[:outer]) + to.offset + (offset if scatter else 0)
        from_at = tile.offset(from_.strides[:outer]) + from_.offset + (0 if scatter else offset)
        inner = sizes[outer:]
        to_pairs = list(zip(to.strides[outer:], inner, strict=True))
        from_pairs = list(zip(from_.strides[outer:], inner, strict=True))
        assert to.source is not None
        assert from_.source is not None
        if scatter:
            src_window = hbm(from_.source, from_at, [(0, 1), *from_pairs])
            builder.scatter(hbm(to.source, to_at, to_pairs), src_window, index.all())
        else:
            dst_window = hbm(to.source, to_at, [(0, 1), *to_pairs])
            builder.gather(dst_window, hbm(from_.source, from_at, from_pairs), index.all())


def _load_index(
    builder: Builder, kind: str, place: tuple[SSAValue | None, Affine, int], lanes: int
) -> Ref:
    """Indices from (buffer, offset, step) onto the partitions, as 32-bit integers."""
    buffer, offset, step = place
    assert buffer is not None
    raw = builder.alloc(lanes, 1, BY_NAME[kind])
    builder.dma(raw.all(), hbm(buffer, offset, ((step, lanes), (1, 1))))
    if raw.element is _I32:
        return raw
    index = builder.alloc(lanes, 1, _I32)
    builder.cast(index.all(), raw.all())
    return index


def _clamp(builder: Builder, index: Ref, limit: int) -> None:
    builder.map("maximum", index.all(), index.all(), immediate=0.0, immediate_at=1)
    builder.map("minimum", index.all(), index.all(), immediate=float(limit), immediate_at=1)


def _add_scaled(builder: Builder, total: Ref, index: Ref, stride: int) -> None:
    scaled = builder.alloc(index.partitions, 1, _I32)
    builder.map("multiply", scaled.all(), index.all(), immediate=float(stride), immediate_at=1)
    builder.map("add", total.all(), total.all(), scaled.all())


@dataclass(frozen=True)
class Indexing:
    """How a gather or scatter turns index vectors into windows of its operand."""

    windows: tuple[int, ...]
    """Dimensions of the operand that a window walks."""
    walked: tuple[int, ...]
    """The same dimensions in the result (gather) or the updates (scatter)."""
    sizes: tuple[int, ...]
    """Extent of a window in every dimension of the operand."""
    indexed: tuple[int, ...]
    """Dimension of the operand that each component of an index vector addresses."""
    batching: tuple[tuple[int, int], ...]
    """(dimension of the operand, dimension of the indices) that advance together."""

    def lift(self, operand: View) -> int:
        """How far below the operand's start a window can begin: where it is read backwards."""
        limits = {d: operand.shape[d] - self.sizes[d] for d in self.indexed}
        limits |= {d: operand.shape[d] - 1 for d, _ in self.batching}
        return sum(_backwards(limit, operand.strides[d]) for d, limit in limits.items())

    @staticmethod
    def of_gather(op: Operation) -> Indexing:
        """The indexing of a gather."""
        batching = ints(op, "operand_batching_dims")
        skipped = {*ints(op, "collapsed_slice_dims"), *batching}
        sizes = ints(op, "slice_sizes")
        return Indexing(
            tuple(d for d in range(len(sizes)) if d not in skipped),
            tuple(ints(op, "offset_dims")),
            tuple(sizes),
            tuple(ints(op, "start_index_map")),
            tuple(zip(batching, ints(op, "start_indices_batching_dims"), strict=True)),
        )

    @staticmethod
    def of_scatter(op: Operation) -> Indexing:
        """The indexing of a scatter."""
        batching = ints(op, "input_batching_dims")
        skipped = {*ints(op, "inserted_window_dims"), *batching}
        rank, updates = len(shape_of(op.results[0])), shape_of(op.operands[2])
        windows = tuple(d for d in range(rank) if d not in skipped)
        walked = tuple(ints(op, "update_window_dims"))
        extents = dict(zip(windows, (updates[d] for d in walked), strict=True))
        return Indexing(
            windows,
            walked,
            tuple(extents.get(d, 1) for d in range(rank)),
            tuple(ints(op, "scatter_dims_to_operand_dims")),
            tuple(zip(batching, ints(op, "scatter_indices_batching_dims"), strict=True)),
        )


def window_rank(op: Operation) -> int:
    """How many dimensions a window of a gather or scatter has."""
    how = Indexing.of_gather(op) if isinstance(op, GatherOp) else Indexing.of_scatter(op)
    return sum(how.sizes[d] > 1 for d in how.windows)


@dataclass(frozen=True)
class _Lanes:
    """Some index vectors, one a partition: their offsets, and where the other tensor's lie."""

    count: int
    offsets: Ref
    step: int
    start: Affine


def _gather(body: Body, builder: Builder, hw: Generation, op: Operation) -> None:
    """result[batch, window] = operand[index[batch] + window], starts clamped."""
    how = Indexing.of_gather(op)
    operand = view_in(body, op.operands[0])
    whole = dense(body.outputs[0], shape_of(op.results[0]))
    inside, outside = _window_pairs(how, operand, whole)
    for lanes in _lanes(body, builder, hw, how, operand, whole, clamp=True):
        dst = hbm(_of(whole), lanes.start, ((lanes.step, lanes.count), *outside))
        lowest = operand.offset - how.lift(operand)
        builder.gather(dst, hbm(_of(operand), lowest, inside), lanes.offsets.all())


def _scatter(body: Body, builder: Builder, hw: Generation, op: ScatterOp) -> None:
    """result[index[batch] + window] = updates[batch, window], out of bounds skipped."""
    how = Indexing.of_scatter(op)
    updates = view_in(body, op.operands[2])
    whole = dense(body.outputs[0], shape_of(op.results[0]))
    inside, outside = _window_pairs(how, whole, updates)
    function = scatter_function(op) or None
    for lanes in _lanes(body, builder, hw, how, whole, updates, clamp=False):
        src = hbm(_of(updates), lanes.start, ((lanes.step, lanes.count), *outside))
        builder.scatter(hbm(_of(whole), 0, inside), src, lanes.offsets.all(), function)


def _window_pairs(
    how: Indexing, operand: View, other: View
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The window's walk in the operand and in the other tensor, with the same counts."""
    sizes = [how.sizes[d] for d in how.windows]
    inside = Strided(None, 0, tuple(operand.strides[d] for d in how.windows))
    outside = Strided(None, 0, tuple(other.strides[d] for d in how.walked))
    merged, _, (a, b) = collapse(sizes, [0] * len(sizes), [inside, outside])
    pairs = [list(zip(x.strides, merged, strict=True)) or [(0, 1)] for x in (a, b)]
    return pairs[0], pairs[1]


@dataclass(frozen=True)
class _Batch:
    """All index vectors: how they lie in the indices and the other tensor, and what they add."""

    sizes: tuple[int, ...]
    indices: Strided
    other: Strided
    base: Strided
    """Offset into the operand that batching dimensions contribute."""
    step: int
    """Elements between the components of an index vector."""


def _batch(how: Indexing, indices: View, vector: int, operand: View, other: View) -> _Batch:
    """Walk the index vectors as one space, collapsed."""
    positions = [d for d in range(len(indices.shape)) if d != vector]
    batch = [d for d in range(len(other.shape)) if d not in how.walked]
    step = indices.strides[vector] if vector < len(indices.shape) else 0
    advance = {at: operand.strides[d] for d, at in how.batching}
    accesses = [
        Strided(indices.source, indices.offset, tuple(indices.strides[d] for d in positions)),
        Strided(other.source, other.offset, tuple(other.strides[d] for d in batch)),
        Strided(None, 0, tuple(advance.get(d, 0) for d in positions)),
    ]
    extents = [indices.shape[d] for d in positions]
    sizes, _, accesses = collapse(extents, [0] * len(extents), accesses)
    walked = [replace(a, strides=a.strides or (0,)) for a in accesses]
    return _Batch(sizes or (1,), walked[0], walked[1], walked[2], step)


def _lanes(
    body: Body,
    builder: Builder,
    hw: Generation,
    how: Indexing,
    operand: View,
    other: View,
    clamp: bool,
) -> Iterator[_Lanes]:
    """Open loops over the index vectors, the last dimension on the partitions."""
    (op,) = body.compute
    batch = _batch(
        how, view_in(body, op.operands[1]), integer(op, "index_vector_dim"), operand, other
    )
    counts = [1] * (len(batch.sizes) - 1) + [min(batch.sizes[-1], hw.partitions)]
    for starts, taken in builder.nest(batch.sizes, counts):
        tile, lanes = Tile(starts, taken), taken[-1]
        total = builder.alloc(lanes, 1, _I32)
        base = tile.offset(batch.base.strides) + how.lift(operand)
        builder.iota(total.all(), base, batch.base.strides[-1], [0])
        inside: Ref | None = None
        for component, d in enumerate(how.indexed):
            at = tile.offset(batch.indices.strides) + batch.indices.offset + component * batch.step
            place = (batch.indices.source, at, batch.indices.strides[-1])
            number = _load_index(builder, element(op.operands[1]).name, place, lanes)
            limit = operand.shape[d] - how.sizes[d]
            if clamp:
                _clamp(builder, number, limit)
            else:
                inside = _in_bounds(builder, number, limit, inside)
            _add_scaled(builder, total, number, operand.strides[d])
        if inside is not None:
            total = _or_skip(builder, inside, total)
        far = tile.offset(batch.other.strides) + batch.other.offset
        yield _Lanes(lanes, total, batch.other.strides[-1], far)


def _in_bounds(builder: Builder, number: Ref, limit: int, inside: Ref | None) -> Ref:
    """Inside and 0 <= number <= limit."""
    flag, lanes = BY_NAME["i1"], number.partitions
    low, high = builder.alloc(lanes, 1, flag), builder.alloc(lanes, 1, flag)
    builder.map("ge", low.all(), number.all(), immediate=0.0, immediate_at=1)
    builder.map("le", high.all(), number.all(), immediate=float(limit), immediate_at=1)
    builder.map("and", low.all(), low.all(), high.all())
    if inside is not None:
        builder.map("and", low.all(), low.all(), inside.all())
    return low


def _or_skip(builder: Builder, inside: Ref, total: Ref) -> Ref:
    """The offset where the window is inside, else -1, which the DMA queue skips."""
    skip = builder.alloc(total.partitions, 1, _I32)
    builder.fill(skip.all(), -1.0)
    chosen = builder.alloc(total.partitions, 1, _I32)
    builder.map("select", chosen.all(), inside.all(), total.all(), skip.all())
    return chosen


def _of(view: View) -> SSAValue:
    assert view.source is not None
    return view.source
