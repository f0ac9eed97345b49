"""Tile a kernel that sums down the columns: by a product with ones, on the tensor engine.

    %p = stablehlo.multiply %x[R, C], %g[R, C];  %s = stablehlo.reduce(%p) add over dimension 0
  becomes
    for C / 2048, for R / 128 {
      load x, g[128 rows, C]; map multiply
      psum[1, C] (+)= ones[128, 1].T @ p[128, C] }
    store psum

Gradients of biases and norms are such sums. With what is kept on the partitions they would load
element by element; so the rows lie there instead, and loads are as long as the rows. PSUM adds in
float32, as the vector engine does, and products with 1 are exact.

It applies to sums of floats only, where the contiguous dimension is kept and no full value depends
on a sum, as then the rows can be streamed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from xdsl.ir import Operation

from neuronc.dialects.access import Access, Affine
from neuronc.dialects.stablehlo.reduction import ReduceOp
from neuronc.dtypes import BY_NAME, ElementType
from neuronc.passes.body import element
from neuronc.passes.functions import reduction_of
from neuronc.passes.iteration import Load, Strided, Tile, tile_shape
from neuronc.passes.map_blocks import MapBlocks
from neuronc.passes.mapping import FULL, ONE, ROW, Frame, Position, partition_dimension
from neuronc.passes.operand import Operand, Ref

_SUMMED = frozenset(("f32", "bf16", "f16"))
"""What the tensor engine multiplies by 1 without rounding (hardware.md 2.2)."""
Loads = dict[Load, Strided]


@dataclass
class _Sums:
    """The sums of one block of columns, and where the rows begin that they add up."""

    totals: dict[Operation, Ref]
    first: tuple[int, ...] | None = ()
    ones: dict[ElementType, Ref] = field(default_factory=dict[ElementType, Ref])


class ColumnSums(MapBlocks):
    """Emits one kernel of sums down the columns; dimensions are kept ones, then reduced ones."""

    def apply(self, sizes: Sequence[int], kept: int, accesses: Sequence[Strided]) -> bool:
        """Whether this is the way to tile the kernel."""
        sums = [op for op in self._kernel.ops if isinstance(op, ReduceOp)]
        at = partition_dimension(sizes, kept, self._hw.partitions)
        if not sums or at is None or kept == len(sizes) or len(sums) > self._banks():
            return False
        if not all(_is_sum(op) for op in sums) or not self._kernel.can_stream():
            return False
        # Fewer rows (a window of pooling) would leave more than half of the DMA engines idle.
        if 2 * max(sizes[kept:]) < self._hw.dma_engines:
            return False
        full = [a for a in accesses if any(a.strides[kept:])]
        across = sum(a.strides[at] == 1 for a in full)
        return across > len(full) - across

    def run(self, sizes: Sequence[int], kept: int, loads: Loads, stores: list[Strided]) -> None:
        """Emit the whole kernel, a block of columns at a time."""
        sums = [op for op in self._kernel.ops if isinstance(op, ReduceOp)]
        bank = self._hw.matmul_columns_max
        # Half of PSUM, so that the next block may begin while this one is finished.
        room = bank * max(1, self._banks() // 2 // len(sums))
        counts = tile_shape(sizes[:kept], min(room, self._kernel.columns()))
        ones = self._ones(sums)
        for starts, taken in self._b.nest(sizes[:kept], counts):
            f32, width = BY_NAME["f32"], prod(taken)
            totals: dict[Operation, Ref] = {}
            for op in sums:
                totals[op] = self._b.alloc(1, width, f32, "psum")
            self._rows(sizes, kept, _Sums(totals, ones=ones), (starts, taken), loads, stores)
            self._results(sizes, kept, totals, (starts, taken), loads, stores)

    def _banks(self) -> int:
        return self._hw.psum_bytes_per_partition // self._hw.psum_bank_bytes

    def _ones(self, sums: Sequence[Operation]) -> dict[ElementType, Ref]:
        found: dict[ElementType, Ref] = {}
        for kind in dict.fromkeys(element(op.operands[0]) for op in sums):
            found[kind] = self._b.alloc(self._hw.partitions, 1, kind)
            self._b.fill(found[kind].all(), 1.0)
        return found

    def _rows(
        self,
        sizes: Sequence[int],
        kept: int,
        sums: _Sums,
        columns: tuple[tuple[Affine, ...], tuple[int, ...]],
        loads: Loads,
        stores: list[Strided],
    ) -> None:
        """All rows of one block of columns: the longest reduced dimension on the partitions."""
        reduced = list(range(kept, len(sizes)))
        at = max(reduced, key=lambda d: sizes[d])
        others = [d for d in reduced if d != at]
        for before, _ in self._b.nest([sizes[d] for d in others], [1] * len(others)):
            for start, lanes in self._b.tiles(sizes[at], self._hw.partitions):
                place = Position(at, start, lanes, list(range(kept)), *columns)
                tile = place.tile(len(sizes), others, list(before), [1] * len(others))
                sums.first = _first([*before, start])
                self._block(Frame(lanes, prod(columns[1]), 1), tile, sums, loads, stores)

    def _block(
        self, frame: Frame, tile: Tile, sums: _Sums, loads: Loads, stores: list[Strided]
    ) -> None:
        """128 rows: what is computed of them, and what they add to each sum."""
        self._moves.aim(frame, tile, stores, FULL)
        for op in self._kernel.ops:
            if isinstance(op, ReduceOp):
                self._add(op, frame, tile, sums, loads)
            elif self._kernel.level(op.results[0]) == FULL:
                self._emit_op(op, frame, tile, loads)
        self._moves.store(frame, tile, stores, {FULL})

    def _add(self, op: Operation, frame: Frame, tile: Tile, sums: _Sums, loads: Loads) -> None:
        """One product with ones for each bank that the columns fill."""
        self._locate(op)
        kind = element(op.operands[0])
        source = self._operand(op, 0, frame, tile, loads, FULL)
        if not isinstance(source, tuple):
            block = self._b.alloc(frame.partitions, 1, kind)
            self._b.fill(block.all(), source)
            source = block[frame.pairs(ONE, FULL)]
        bank = self._hw.matmul_columns_max
        ones = sums.ones[kind].at(0, ((1, 1),), 0, frame.partitions)
        for start in range(0, frame.rows, bank):
            width = min(bank, frame.rows - start)
            part = _columns(source, start, width)
            dst = sums.totals[op].at(start, ((1, width),))
            self._b.matmul(dst, ones, part, sums.first)

    def _results(
        self,
        sizes: Sequence[int],
        kept: int,
        totals: dict[Operation, Ref],
        columns: tuple[tuple[Affine, ...], tuple[int, ...]],
        loads: Loads,
        stores: list[Strided],
    ) -> None:
        """Take the sums out of PSUM, and compute and store what depends on them."""
        rows = Frame(1, prod(columns[1]), 1)
        reduced = list(range(kept, len(sizes)))
        place = Position(None, Affine(), 1, list(range(kept)), *columns)
        tile = place.tile(len(sizes), reduced, [Affine()] * len(reduced), [1] * len(reduced))
        for op, psum in totals.items():
            self._locate(op)
            total = self._b.alloc(1, rows.rows, psum.element)
            self._b.cast(total.all(), psum.all())
            self._finish(op, total, rows, tile, loads)
        for op in self._kernel.ops:
            if not self._kernel.streams(op):
                self._emit_op(op, rows, tile, loads)
        self._moves.store(rows, tile, stores, {ROW})


def _is_sum(op: Operation) -> bool:
    return reduction_of(op) == "add" and element(op.operands[0]).name in _SUMMED


def _first(starts: Sequence[Affine]) -> tuple[int, ...] | None:
    """The loops that are at their start where a sum begins; None for what only adds."""
    if any(start.constant for start in starts):
        return None
    return tuple(sorted({i for s in starts for i, c in enumerate(s.coefficients) if c}))


def _columns(source: Operand, start: int, width: int) -> Operand:
    """Columns [start, start + width) of a block that is walked as [columns, 1]."""
    value, access = source
    step = access.pairs[0][0]
    offset = access.offset + start * step
    pairs = ((step, width),)
    return value, Access(offset, pairs, access.partition_start, access.partitions)
