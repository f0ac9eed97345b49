"""Tile pure data movement onto the DMA queues: copies of views, concatenate and pad.

    %y = stablehlo.pad %x, %zero, low = [1, 1], high = [1, 1], interior = [0, 0]
  becomes
    tile.dma y[0:2048], zero (step 0); tile.dma y[2048:], y[0:2048] (outer step 0)
    tile.dma y[1:-1, 1:-1], x

Any element type moves; only addresses are computed, so these never touch SBUF. Pads of short rows
are `tile_pad`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from numpy.lib.stride_tricks import as_strided
from xdsl.ir import Operation, SSAValue

from neuronc.dialects.program import MaterializeOp
from neuronc.dialects.stablehlo.movement import ConcatenateOp, PadOp
from neuronc.dialects.types import shape_of
from neuronc.hardware import Generation
from neuronc.isa.operands import HBM_DIMENSIONS_MAX
from neuronc.passes.attributes import integer, ints
from neuronc.passes.body import Body, location
from neuronc.passes.builder import Builder
from neuronc.passes.iteration import Strided, Tile, collapse
from neuronc.passes.operand import hbm
from neuronc.passes.tile_pad import inside_of, pad_on_chip
from neuronc.passes.views import View, dense

FILLED_ELEMENTS = 2048
"""Elements that are filled one by one; they are the source of all others, in long runs."""


def lower_move(body: Body, builder: Builder, hw: Generation) -> None:
    """Emit a kernel whose results are views, or one concatenate or pad of views."""
    for buffer, value in zip(body.outputs, body.yielded, strict=True):
        whole = dense(buffer, shape_of(value))
        op = value.owner
        if isinstance(op, Operation):
            builder.loc, builder.source = location(op), op.name
        if isinstance(op, ConcatenateOp):
            _concatenate(body, builder, op, whole)
        elif isinstance(op, PadOp):
            _pad(body, builder, hw, op, whole)
        else:
            assert isinstance(op, MaterializeOp)
            copy_view(builder, whole, view_in(body, op.operands[0]))


def view_in(body: Body, value: SSAValue) -> View:
    """The view of a kernel buffer that `value` reads."""
    view = body.source(value)
    assert isinstance(view, View)
    assert view.source is not None
    return View(body.buffers[view.source], view.array)


def copy_view(builder: Builder, dst: View, src: View) -> None:
    """Dst = src, as few transfers as their strides allow; src may broadcast with steps of 0."""
    if not dst.array.size:
        return
    both = [Strided.of(dst), Strided.of(src)]
    sizes, _, (to, from_) = collapse(dst.shape, [0] * len(dst.shape), both)
    outer = max(0, len(sizes) - HBM_DIMENSIONS_MAX)
    for starts, counts in builder.nest(sizes[:outer], [1] * outer):
        tile = Tile(starts, counts)
        pairs = [_pairs(access, sizes, outer) for access in (to, from_)]
        windows = [
            hbm(_source(a), tile.offset(a.strides[:outer]) + a.offset, p)
            for a, p in zip((to, from_), pairs, strict=True)
        ]
        builder.dma(windows[0], windows[1])


def _pairs(access: Strided, sizes: Sequence[int], outer: int) -> list[tuple[int, int]]:
    return list(zip(access.strides[outer:], sizes[outer:], strict=True)) or [(0, 1)]


def _source(access: Strided) -> SSAValue:
    assert access.source is not None
    return access.source


def _concatenate(body: Body, builder: Builder, op: Operation, whole: View) -> None:
    dimension, start = integer(op, "dimension"), 0
    for value in op.operands:
        stop = start + shape_of(value)[dimension]
        part = (slice(None),) * dimension + (slice(start, stop),)
        copy_view(builder, whole.window(part), view_in(body, value))
        start = stop


def _pad(body: Body, builder: Builder, hw: Generation, op: Operation, whole: View) -> None:
    """Fill everything, then copy what lies inside; negative edges crop the operand."""
    operand, value = (view_in(body, v) for v in op.operands)
    if pad_on_chip(builder, hw, op, operand, value, whole):
        return
    low, high = ints(op, "edge_padding_low"), ints(op, "edge_padding_high")
    interior = ints(op, "interior_padding")
    if any(low) or any(high) or any(interior):
        _fill(builder, whole, value)
    found = inside_of(op, operand.shape, whole.shape)
    if found is not None:
        inside, taken = found
        copy_view(builder, whole.window(inside), operand.window(taken))


def _fill(builder: Builder, whole: View, value: View) -> None:
    """Write one element everywhere: a first run of a buffer, then copies of that run."""
    size = prod(whole.shape)
    run = min(size, FILLED_ELEMENTS)
    line = dense(whole.source, (size,))

    def repeated(view: View, shape: tuple[int, ...], strides: tuple[int, ...]) -> View:
        return view.transformed(lambda a: as_strided(a, shape, strides, writeable=False))

    first = line.transformed(lambda a: a[:run])
    copy_view(builder, first, repeated(value, (run,), (0,)))
    copies = size // run - 1
    if copies:
        rest = line.transformed(lambda a: a[run : run + copies * run].reshape(copies, run))
        copy_view(builder, rest, repeated(first, (copies, run), (0, 1)))
    if size % run:
        tail = line.transformed(lambda a: a[size - size % run :])
        copy_view(builder, tail, first.transformed(lambda a: a[: size % run]))
