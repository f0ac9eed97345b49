"""Pad on chip, where the rows inside are short.

    %y = stablehlo.pad %x[4096, 7, 7], %v, low = [0, 1, 1], high = [0, 1, 1], interior = [0, 0, 0]
  becomes
    load v[128, 1]
    for 4096 / (128 * 32) {
      load x[128, 32 * 49];  cast the edges of y[128, 32 * 81] from v
      cast y[128, (81, 32) (9, 7) (1, 7)] from x;  store y }

By DMA each row of 7 would be a run of its own; so all runs are as long as a block, and the vector
engine moves the rows. It applies to whole buffers of types that the engines know, where there are
rows enough for the partitions, an access has dimensions enough, and where that is quicker by the
prices. Where one row does not fit, its outermost dimension is cut, and edges of that are stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from xdsl.ir import Operation, SSAValue

from neuronc.dialects.access import Affine
from neuronc.dtypes import ElementType
from neuronc.hardware import Generation
from neuronc.isa.operands import FREE_DIMENSIONS_MAX
from neuronc.passes.attributes import ints
from neuronc.passes.body import element
from neuronc.passes.budget import BLOCK_COLUMNS
from neuronc.passes.builder import Builder
from neuronc.passes.iteration import Strided, collapse
from neuronc.passes.operand import Ref
from neuronc.passes.prices import dma_seconds
from neuronc.passes.transfer import transfer
from neuronc.passes.views import View, dense

PADDED_COLUMNS = 4 * BLOCK_COLUMNS
"""Elements of a partition that a block of the result has at most: runs longer gain nothing."""


def inside_of(
    op: Operation, taken: Sequence[int], shape: Sequence[int]
) -> tuple[list[slice], list[slice]] | None:
    """Where the operand lies in the result, and which part of it does; None if none does."""
    inside: list[slice] = []
    part: list[slice] = []
    edges = ints(op, "edge_padding_low"), ints(op, "interior_padding")
    for extent, size, before, gap in zip(shape, taken, *edges, strict=True):
        step = gap + 1
        first = max(0, -(before // step)) if before < 0 else 0
        last = min(size - 1, (extent - 1 - before) // step)
        if last < first:
            return None
        inside.append(slice(before + first * step, before + last * step + 1, step))
        part.append(slice(first, last + 1))
    return inside, part


def pad_on_chip(
    builder: Builder, hw: Generation, op: Operation, operand: View, value: View, whole: View
) -> bool:
    """Emit the kernel that way if it pays; whether it did."""
    found = inside_of(op, operand.shape, whole.shape)
    first = _first_padded(op)
    is_whole = operand.strides == dense(None, operand.shape).strides
    if found is None or not first or not is_whole or not element(op.results[0]).engine:
        return False
    rows = prod(whole.shape[:first])
    inside, part = (tuple(slices[first:]) for slices in found)
    lines = _Lines(operand.shape[first:], whole.shape[first:], inside, part, 1)
    if rows < hw.partitions or not _pays(lines, element(op.results[0]), hw):
        return False
    pad = _Pad(builder, hw, rows, lines, (operand, value, whole), element(op.results[0]))
    return pad.run()


def _first_padded(op: Operation) -> int:
    """The first dimension that is padded; 0 also where none is."""
    names = ("edge_padding_low", "edge_padding_high", "interior_padding")
    rows = zip(*(ints(op, name) for name in names), strict=True)
    return next((d for d, row in enumerate(rows) if any(row)), 0)


@dataclass(frozen=True)
class _Lines:
    """Some rows of one partition: [fold, taken...] of the operand inside [fold, shape...]."""

    taken: tuple[int, ...]
    shape: tuple[int, ...]
    inside: tuple[slice, ...]
    part: tuple[slice, ...]
    fold: int

    @property
    def columns(self) -> tuple[int, int]:
        """Elements of the operand, and of the result."""
        return self.fold * prod(self.taken), self.fold * prod(self.shape)

    @property
    def run(self) -> int:
        """Elements of the operand that lie together in the result."""
        return self.part[-1].stop - self.part[-1].start if self.inside[-1].step == 1 else 1

    def copies(self) -> tuple[tuple[int, ...], Strided, Strided]:
        """The counts of what moves, and how both sides walk it."""
        every = slice(None)
        to = dense(None, (self.fold, *self.shape)).window([every, *self.inside])
        from_ = dense(None, (self.fold, *self.taken)).window([every, *self.part])
        both = [Strided.of(to), Strided.of(from_)]
        sizes, _, (dst, src) = collapse(to.shape, [0] * len(to.shape), both)
        return sizes or (1,), _at_least_one(dst), _at_least_one(src)

    def edges(self) -> list[tuple[tuple[int, ...], Strided]]:
        """What of the result is not the operand's: before and after it, or with gaps all."""
        block = dense(None, (self.fold, *self.shape))
        if any(s.step > 1 for s in self.inside):
            return [_walk(block)]
        found: list[tuple[tuple[int, ...], Strided]] = []
        for d, (extent, middle) in enumerate(zip(self.shape, self.inside, strict=True), 1):
            for edge in (slice(0, middle.start), slice(middle.stop, extent)):
                if edge.start < edge.stop:
                    found.append(_walk(block.window([slice(None)] * d + [edge])))
        return found

    def fits_an_access(self) -> bool:
        """Whether no access has more dimensions than there are."""
        walks = [self.copies()[0], *(counts for counts, _ in self.edges())]
        return all(len(counts) <= FREE_DIMENSIONS_MAX for counts in walks)


def _walk(view: View) -> tuple[tuple[int, ...], Strided]:
    sizes, _, (access,) = collapse(view.shape, [0] * len(view.shape), [Strided.of(view)])
    return sizes or (1,), _at_least_one(access)


def _at_least_one(access: Strided) -> Strided:
    return access if access.strides else replace(access, strides=(1,))


def _pays(lines: _Lines, kind: ElementType, hw: Generation) -> bool:
    """Whether long runs and copies on chip take less than short runs alone."""
    bytes_ = kind.bytes
    taken, made = lines.columns
    direct = dma_seconds(hw.partitions, taken // lines.run, lines.run, bytes_, hw)
    moved = dma_seconds(hw.partitions, 1, taken, bytes_, hw)
    # Both ways store the whole result once; here it comes from the engine that copies.
    copied = (made + hw.min_interval_cycles) / hw.vector_hz
    return max(moved, copied) < direct


@dataclass(frozen=True)
class _Pad:
    builder: Builder
    hw: Generation
    rows: int
    lines: _Lines
    views: tuple[View, View, View]
    """Of the operand, the value and the result."""
    kind: ElementType

    def run(self) -> bool:
        """Emit all rows, whole or cut; False where neither is possible."""
        made = prod(self.lines.shape)
        if made <= PADDED_COLUMNS:
            return self._whole(replace(self.lines, fold=self._fold(PADDED_COLUMNS // made)))
        return self._cut()

    def _fold(self, most: int) -> int:
        """Rows that share a partition: what resides has one."""
        buffers = [view.source for view in (self.views[0], self.views[2])]
        if any(b is not None and self.builder.residents.layout_of(b) is not None for b in buffers):
            return 1
        full = range(min(most, self.rows // self.hw.partitions), 0, -1)
        return next((f for f in full if self.rows % f == 0), 1)

    def _whole(self, lines: _Lines) -> bool:
        if not lines.fits_an_access():
            return False
        value = self._value()
        for start, lanes in self.builder.tiles(self.rows // lines.fold, self.hw.partitions):
            at = start * lines.fold
            self._emit(lines, value, lanes, at * prod(lines.taken), at * prod(lines.shape))
        return True

    def _cut(self) -> bool:
        """Some of the outermost dimension at a time, which must be neither cropped nor spread."""
        lines = self.lines
        middle, size = lines.inside[0], lines.taken[0]
        inner, outer = prod(lines.taken[1:]), prod(lines.shape[1:])
        most = PADDED_COLUMNS // outer
        if not most or middle.step > 1 or middle.stop - middle.start != size:
            return False
        count = -(-size // -(-size // most))
        blocks = [_first(lines, n) for n in (count, size % count) if n]
        if not all(block.fits_an_access() for block in blocks):
            return False
        value = self._value()
        for row, lanes in self.builder.tiles(self.rows, self.hw.partitions):
            at = row * prod(lines.taken), row * prod(lines.shape)
            for start, taken in self.builder.tiles(size, count):
                to = at[1] + (start * outer + middle.start * outer)
                self._emit(_first(lines, taken), value, lanes, at[0] + start * inner, to)
            for edge in (slice(0, middle.start), slice(middle.stop, lines.shape[0])):
                if edge.start < edge.stop:
                    columns = (edge.stop - edge.start) * outer
                    self._edge(value, lanes, at[1] + edge.start * outer, columns)
        return True

    def _value(self) -> Ref:
        """The value, on every partition."""
        ref = self.builder.alloc(self.hw.partitions, 1, self.kind)
        window = (_source(self.views[1]), Affine(self.views[1].offset), 0)
        lanes = (0, self.hw.partitions)
        transfer(self.builder, ref, Affine(), lanes, window, ((0, 1),), store=False)
        return ref

    def _emit(self, lines: _Lines, value: Ref, lanes: int, from_: Affine, to: Affine) -> None:
        """One block: load, fill its edges, copy what is inside, store."""
        taken, made = lines.columns
        source = self._block(
            self.views[0], from_, lanes, lines.fold * prod(self.lines.taken), taken
        )
        step = lines.fold * prod(self.lines.shape)
        target = self._there(self.views[2], to, lanes, step, made)
        block = target or self.builder.alloc(lanes, made, self.kind)
        for counts, access in lines.edges():
            self._fill(block, access, counts, value)
        counts, dst, src = lines.copies()
        pairs = [tuple(zip(a.strides, counts, strict=True)) for a in (dst, src)]
        self.builder.cast(block.at(dst.offset, pairs[0]), source.at(src.offset, pairs[1]))
        if target is None:
            self._store(block, to, lanes, step, made)

    def _edge(self, value: Ref, lanes: int, to: Affine, columns: int) -> None:
        """Rows of the result that hold nothing of the operand."""
        block = self.builder.alloc(lanes, columns, self.kind)
        self._fill(block, Strided(None, 0, (1,)), (columns,), value)
        self._store(block, to, lanes, prod(self.lines.shape), columns)

    def _fill(self, block: Ref, access: Strided, counts: Sequence[int], value: Ref) -> None:
        pairs = tuple(zip(access.strides, counts, strict=True))
        src = value.at(0, tuple((0, n) for n in counts), 0, block.partitions)
        self.builder.cast(block.at(access.offset, pairs), src)

    def _block(self, view: View, base: Affine, lanes: int, step: int, columns: int) -> Ref:
        """A window of a buffer on chip: where it resides, or loaded."""
        there = self._there(view, base, lanes, step, columns)
        if there is not None:
            return there
        ref = self.builder.alloc(lanes, columns, self.kind)
        window = (_source(view), base + view.offset, step)
        transfer(self.builder, ref, Affine(), (0, lanes), window, ((1, columns),), store=False)
        return ref

    def _there(self, view: View, base: Affine, lanes: int, step: int, columns: int) -> Ref | None:
        start, free = base + view.offset, ((1, columns),)
        return self.builder.residents.window(_source(view), start, (0, lanes), step, free)

    def _store(self, block: Ref, to: Affine, lanes: int, step: int, columns: int) -> None:
        window = (_source(self.views[2]), to + self.views[2].offset, step)
        transfer(self.builder, block, Affine(), (0, lanes), window, ((1, columns),), store=True)


def _first(lines: _Lines, count: int) -> _Lines:
    """The lines with `count` of the outermost dimension, and without its edges."""
    every = (slice(0, count, 1), *lines.inside[1:]), (slice(0, count), *lines.part[1:])
    return replace(
        lines,
        taken=(count, *lines.taken[1:]),
        shape=(count, *lines.shape[1:]),
        inside=every[0],
        part=every[1],
    )


def _source(view: View) -> SSAValue:
    assert view.source is not None
    return view.source
