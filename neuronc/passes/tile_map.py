"""Tile an elementwise and reduction kernel.

    %m = stablehlo.reduce(%x) applies stablehlo.maximum across dimensions = [1]
    %e = stablehlo.exponential(%x - broadcast(%m))
  becomes
    tile.for rows / 128 { load x[128, C]; reduce -> m[128, 1]; map subtract; map exp; store }

All values of the kernel share one space: kept dimensions, then reduced ones. A full value holds an
element for each index, a row value one for each kept index. One kept dimension lies on the
partitions; what else fits shares the free dimension. If the reduced dimensions are too long for
SBUF they are streamed in chunks, which needs that no full value depends on a reduction. Sums down
the columns, which would load element by element so, are `tile_column_sums`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from xdsl.ir import Operation

from neuronc.dialects.access import Affine
from neuronc.dialects.stablehlo.reduction import ReduceOp
from neuronc.dialects.types import shape_of
from neuronc.passes.body import element
from neuronc.passes.budget import BLOCK_COLUMNS
from neuronc.passes.functions import reduction_of
from neuronc.passes.iteration import Load, Strided, Tile, collapse, tile_shape
from neuronc.passes.map_blocks import MapBlocks, identity, wide
from neuronc.passes.map_windows import COVERED_COLUMNS, block_of_rows, walks_of
from neuronc.passes.mapping import (
    FREE,
    FULL,
    LANES,
    REDUCED,
    ROW,
    Frame,
    Position,
    fold,
    fold_factor,
    line_columns,
    partition_dimension,
)
from neuronc.passes.operand import Ref
from neuronc.passes.tile_column_sums import ColumnSums
from neuronc.passes.views import dense


class MapLowering(MapBlocks):
    """Emits one map kernel."""

    def run(self) -> None:
        """Emit the whole kernel."""
        kernel = self._kernel
        stores = [kernel.strided(dense(o, shape_of(v)), kernel.level(v)) for o, v in kernel.outs()]
        keys, sizes = list(kernel.accesses), kernel.sizes()
        lanes, kept = self._resident_rows(), len(kernel.space.rows)
        groups = [LANES] * lanes + [FREE] * (kept - lanes) + [REDUCED] * (len(sizes) - kept)
        every = [*kernel.accesses.values(), *stores]
        sizes, groups, every = collapse(sizes, groups, every)
        loads, stores = dict(zip(keys, every, strict=False)), every[len(keys) :]
        kept = len(sizes) - groups.count(REDUCED)
        if lanes:
            at = 0 if groups.count(LANES) else None
            self._emit_tiles(sizes, kept, at, loads, stores)
            return
        sums = ColumnSums(self._body, self._b, self._hw)
        if sums.apply(sizes, kept, [*loads.values(), *stores]):
            sums.run(sizes, kept, loads, stores)
        else:
            self._emit_space(sizes, kept, loads, stores)

    def _resident_rows(self) -> int:
        """Leading dimensions of the space that lie on partitions, as what resides says; or 0."""
        buffers = [*self._body.buffers.values(), *self._body.outputs]
        layouts = [found for b in buffers if (found := self._b.residents.layout_of(b)) is not None]
        for layout in sorted(layouts, key=lambda known: -known.rows):
            for d in range(1, len(self._kernel.space.rows) + 1):
                if prod(self._kernel.space.rows[:d]) == layout.rows and not layout.across:
                    return d
        return 0

    def _emit_space(
        self, sizes: Sequence[int], kept: int, loads: dict[Load, Strided], stores: list[Strided]
    ) -> None:
        """Choose what lies on the partitions; a lone long dimension is split in two."""
        if kept == 1 and len(sizes) == 1 and sizes[0] > 2 * BLOCK_COLUMNS:
            self._emit_line(sizes[0], loads, stores)
            return
        at = partition_dimension(sizes, kept, self._hw.partitions)
        factor = fold_factor(sizes, at, self._kernel.columns(), self._hw.partitions)
        if at is not None and factor > 1:
            sizes = [*sizes[:at], sizes[at] // factor, factor, *sizes[at + 1 :]]
            loads = {load: fold(access, at, factor) for load, access in loads.items()}
            stores = [fold(access, at, factor) for access in stores]
            kept += 1
        at = partition_dimension(sizes, kept, self._hw.partitions)
        self._emit_tiles(
            sizes, kept, at, loads, stores, self._rows_of_windows(sizes, kept, at, loads)
        )

    def _rows_of_windows(
        self, sizes: Sequence[int], kept: int, at: int | None, loads: dict[Load, Strided]
    ) -> tuple[int, ...] | None:
        """How many rows to reduce at once from what their windows cover; None to do without."""
        if at is None or any(self._kernel.level(op.results[0]) == FULL for op in self._kernel.ops):
            return None
        found = walks_of(loads, FULL, sizes, kept, at)
        if not found:
            return None
        free = [sizes[d] for d in range(kept) if d != at]
        widest = min(self._kernel.resident_max(), COVERED_COLUMNS)
        counts = block_of_rows(list(found.values()), free, widest)
        self._moves.windows = found if counts else {}
        return counts

    def _emit_line(self, size: int, loads: dict[Load, Strided], stores: list[Strided]) -> None:
        columns = line_columns(size, self._kernel.columns(), self._hw.partitions)
        rows, rest = divmod(size, columns)

        def part(access: Strided, start: int, two: bool) -> Strided:
            step = access.strides[0]
            strides = (step * columns, step) if two else (step,)
            return replace(access, offset=access.offset + start * step, strides=strides)

        for count, start in (((rows, columns), 0), ((rest,), rows * columns)):
            if prod(count):
                two = len(count) == 2
                inner = {key: part(access, start, two) for key, access in loads.items()}
                outer = [part(access, start, two) for access in stores]
                at = partition_dimension(count, len(count), self._hw.partitions)
                self._emit_tiles(count, len(count), at, inner, outer)

    def _emit_tiles(
        self,
        sizes: Sequence[int],
        kept: int,
        on_partitions: int | None,
        loads: dict[Load, Strided],
        stores: list[Strided],
        counts: tuple[int, ...] | None = None,
    ) -> None:
        """Loop over blocks of rows, of `counts` of the dimensions beside the partitions'."""
        free = [d for d in range(kept) if d != on_partitions]
        columns = list(range(kept, len(sizes)))
        length = prod(sizes[d] for d in columns)
        chunk = [sizes[d] for d in columns]
        if length > self._kernel.resident_max() and self._kernel.can_stream():
            chunk = list(tile_shape(chunk, self._kernel.columns()))
        room = max(1, self._kernel.columns() // prod(chunk))
        counts = counts or tile_shape([sizes[d] for d in free], room)
        extent = sizes[on_partitions] if on_partitions is not None else 1
        for starts, taken in self._b.nest([sizes[d] for d in free], counts):
            for start, partitions in self._b.tiles(extent, self._hw.partitions):
                at = Position(on_partitions, start, partitions, free, starts, taken)
                self._emit_rows(at, sizes, columns, chunk, loads, stores)

    def _emit_rows(
        self,
        at: Position,
        sizes: Sequence[int],
        columns: list[int],
        chunk: list[int],
        loads: dict[Load, Strided],
        stores: list[Strided],
    ) -> None:
        """One block of rows: all columns at once, or chunk by chunk."""
        whole = [sizes[d] for d in columns]
        if chunk == whole:
            frame = Frame(at.partitions, prod(at.taken), prod(whole))
            tile = at.tile(len(sizes), columns, [Affine()] * len(whole), whole)
            self._moves.aim(frame, tile, stores, FULL)
            for op in self._kernel.ops:
                self._emit_op(op, frame, tile, loads)
            self._moves.store(frame, tile, stores, {FULL, ROW})
            return
        self._emit_chunks(at, sizes, columns, chunk, loads, stores)

    def _emit_chunks(
        self,
        at: Position,
        sizes: Sequence[int],
        columns: list[int],
        chunk: list[int],
        loads: dict[Load, Strided],
        stores: list[Strided],
    ) -> None:
        streamed = [op for op in self._kernel.ops if self._kernel.streams(op)]
        rows = Frame(at.partitions, prod(at.taken), 1)
        totals: dict[Operation, Ref] = {}
        for op in streamed:
            if isinstance(op, ReduceOp):
                totals[op] = self._b.alloc(rows.partitions, rows.rows, wide(element(op.results[0])))
                self._b.fill(totals[op].all(), identity(op))
        for starts, taken in self._b.nest([sizes[d] for d in columns], chunk):
            frame = Frame(at.partitions, prod(at.taken), prod(taken))
            tile = at.tile(len(sizes), columns, list(starts), list(taken))
            self._moves.aim(frame, tile, stores, FULL)
            for op in streamed:
                if isinstance(op, ReduceOp):
                    self._accumulate(op, totals[op], frame, tile, loads)
                else:
                    self._emit_op(op, frame, tile, loads)
            self._moves.store(frame, tile, stores, {FULL})
        tile = at.tile(len(sizes), columns, [Affine()] * len(columns), [1] * len(columns))
        for op, total in totals.items():
            self._finish(op, total, rows, tile, loads)
        for op in self._kernel.ops:
            if op not in streamed:
                self._emit_op(op, rows, tile, loads)
        self._moves.store(rows, tile, stores, {ROW})

    def _accumulate(
        self, op: Operation, total: Ref, frame: Frame, tile: Tile, loads: dict[Load, Strided]
    ) -> None:
        part = self._b.alloc(frame.partitions, frame.rows, total.element)
        self._reduce(op, part, frame, tile, loads)
        self._b.map(reduction_of(op), total.all(), total.all(), part.all())
