"""Tile a contraction, with the elementwise ops that follow it, onto the tensor engine.

    %y = stablehlo.dot_general %x[M, K], %w[K, N];  %z = add %y, broadcast(%bias)
  becomes
    for M / 512, for N / 512:
      for K / 128 { load w[K, N]; for M / 128 { psum[m] (+)= x[K, M].T @ w[K, N] } }
      for M / 128 { map add psum[m], bias -> sbuf; store }

The contraction lies on the partitions of both operands. An operand whose K is contiguous in HBM is
loaded with its other dimension on the partitions and transposed on the tensor engine; the other
kind is loaded as it is. The stationary operand of a block of rows stays on chip for all N.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np
from xdsl.ir import Operation, SSAValue

from neuronc.dialects.access import Affine
from neuronc.dialects.types import shape_of
from neuronc.dtypes import BY_NAME
from neuronc.hardware import Generation
from neuronc.passes.attributes import ints
from neuronc.passes.body import Body, element, location
from neuronc.passes.builder import Builder, Operand, Ref
from neuronc.passes.contraction import (
    BATCH,
    COLUMNS,
    DEPTH,
    ROWS,
    OutTile,
    Problem,
    Side,
    cut,
    linear,
    within,
)
from neuronc.passes.functions import map_function
from neuronc.passes.iteration import Load, Strided, Tile, collapse, tile_shape
from neuronc.passes.staging import Stage, Staged
from neuronc.passes.views import View, dense


class ContractLowering:
    """Emits one contraction kernel."""

    def __init__(self, body: Body, builder: Builder, hw: Generation) -> None:
        self._body, self._b, self._hw = body, builder, hw
        self._dot, *self._epilogue = body.compute
        self._problem = self._pose()
        self._kind = element(self._dot.operands[0])

    def _pose(self) -> Problem:
        """Lay the operands, the epilogue and the results over one space."""
        dot = self._dot
        lhs, rhs = (self._view(v) for v in self._dot.operands)
        lb, rb = ints(dot, "lhs_batching_dimensions"), ints(dot, "rhs_batching_dimensions")
        lk = ints(dot, "lhs_contracting_dimensions")
        rk = ints(dot, "rhs_contracting_dimensions")
        m = [d for d in range(len(lhs.shape)) if d not in (*lb, *lk)]
        n = [d for d in range(len(rhs.shape)) if d not in (*rb, *rk)]
        sizes = [lhs.shape[d] for d in (*lb, *m)] + [rhs.shape[d] for d in n]
        sizes += [lhs.shape[d] for d in lk]
        groups = [BATCH] * len(lb) + [ROWS] * len(m) + [COLUMNS] * len(n) + [DEPTH] * len(lk)
        left = _spread(lhs, (*lb, *m, *[None] * len(n), *lk))
        right = _spread(rhs, (*rb, *[None] * len(m), *n, *rk))
        others = self._others(len(lk))
        every = [left, right, *others.values()]
        merged_sizes, merged_groups, (left, right, *rest) = collapse(sizes, groups, every)
        return Problem(
            merged_sizes, merged_groups, left, right, dict(zip(others, rest, strict=True))
        )

    def _view(self, value: SSAValue) -> View:
        source = self._body.source(value)
        assert isinstance(source, View)
        return source

    def _others(self, contracted: int) -> dict[Load | SSAValue, Strided]:
        others: dict[Load | SSAValue, Strided] = {}
        for op in self._epilogue:
            for value in op.operands:
                key = self._key(value)
                if isinstance(key, Load):
                    others[key] = key.access
        for buffer, value in zip(self._body.outputs, self._body.yielded, strict=True):
            others[buffer] = Strided.of(dense(buffer, shape_of(value)))
        pad = (0,) * contracted
        return {k: replace(a, strides=a.strides + pad) for k, a in others.items()}

    def _key(self, value: SSAValue) -> Load | SSAValue | None:
        """What an epilogue operand is: a computed value, a load, or None for a splat."""
        source = self._body.source(value)
        if isinstance(source, np.ndarray):
            return None
        if source.source is not None and source.source not in self._body.buffers:
            return source.source
        return Load(Strided.of(source), element(value))

    def run(self) -> None:
        """Emit the whole kernel: batches outermost, then blocks of rows."""
        q = self._problem
        row_tile = tile_shape(q.extents(ROWS), self._hw.stationary_columns_max)
        blocked = next(
            (i for i, (n, t) in enumerate(zip(q.extents(ROWS), row_tile, strict=False)) if t < n), 0
        )
        block = list(row_tile)
        if block:
            banks = self._hw.psum_bytes_per_partition // self._hw.psum_bank_bytes // 2
            block[blocked] = min(block[blocked] * banks, q.extents(ROWS)[blocked])
        ones = [1] * len(q.of(BATCH))
        for batch, _ in self._b.nest(q.extents(BATCH), ones):
            for rows, taken in self._b.nest(q.extents(ROWS), block):
                self._emit_rows(batch, rows, taken, row_tile)

    def _emit_rows(
        self,
        batch: tuple[Affine, ...],
        rows: tuple[Affine, ...],
        taken: tuple[int, ...],
        row_tile: tuple[int, ...],
    ) -> None:
        """One block of rows against all columns."""
        q = self._problem
        column_tile = tile_shape(q.extents(COLUMNS), self._hw.matmul_columns_max)
        stage = Stage(self._b, self._hw, q, batch, self._kind, self._body.buffers)
        resident = prod(column_tile) < prod(q.extents(COLUMNS)) and stage.fits(prod(taken))
        left = Side(q.lhs, ROWS, rows, taken)
        self._locate(self._dot)
        stationary = stage.load_all(left) if resident else None
        for columns, count in self._b.nest(q.extents(COLUMNS), column_tile):
            self._emit_block(
                stage, left, Side(q.rhs, COLUMNS, columns, count), stationary, row_tile
            )

    def _emit_block(
        self,
        stage: Stage,
        left: Side,
        right: Side,
        stationary: Staged | None,
        row_tile: tuple[int, ...],
    ) -> None:
        """All rows of the block against one tile of columns, accumulated over K in PSUM."""
        pieces = cut(left.taken, row_tile)
        bank = self._hw.psum_bank_bytes // 4
        psum = self._b.alloc(
            max(prod(c) for _, c in pieces), bank * len(pieces), BY_NAME["f32"], "psum"
        )
        self._locate(self._dot)
        rhs = stage.prepare(right)
        lhs = stationary or stage.prepare(left)
        for k in stage.depth():
            moving, block = rhs(k), lhs(k)
            for i, (starts, counts) in enumerate(pieces):
                self._b.matmul(
                    psum.at(i * bank, ((1, right.size),), 0, prod(counts)),
                    block.at(linear(left.taken, starts), within(left.taken, counts)),
                    moving.at(0, ((1, right.size),)),
                    k.first,
                )
        for i, (starts, counts) in enumerate(pieces):
            tile = self._out_tile(stage.batch, left, right, starts, counts)
            source = psum.at(i * bank, ((1, right.size),), 0, prod(counts))
            self._drain(tile, source, prod(counts), right.size)

    def _out_tile(
        self,
        batch: tuple[Affine, ...],
        left: Side,
        right: Side,
        starts: tuple[int, ...],
        counts: tuple[int, ...],
    ) -> OutTile:
        rows = tuple(a + b for a, b in zip(left.starts, starts, strict=True))
        return OutTile(
            self._problem,
            Tile(batch, (1,) * len(batch)),
            Tile(rows, counts),
            Tile(right.starts, right.taken),
        )

    def _drain(self, tile: OutTile, source: Operand, rows: int, columns: int) -> None:
        """Run the epilogue on one tile of the result, and store what leaves the kernel."""
        blocks: dict[Load | SSAValue, tuple[Ref | None, Operand]] = {}
        result = self._dot.results[0]
        blocks[result] = (None, source)
        needed = result in self._body.yielded or element(result).name != "f32"
        if needed:
            ref = self._b.alloc(rows, columns, element(result))
            self._locate(self._dot)
            self._b.cast(ref.all(), source)
            blocks[result] = (ref, ref.all())
        for op in self._epilogue:
            self._locate(op)
            sources = [self._epilogue_operand(v, blocks, tile, rows, columns) for v in op.operands]
            ref = self._b.alloc(rows, columns, element(op.results[0]))
            map_function(self._b, op, ref.all(), sources, rows)
            blocks[op.results[0]] = (ref, ref.all())
        for buffer, value in zip(self._body.outputs, self._body.yielded, strict=True):
            ref, _ = blocks[value]
            assert ref is not None
            access = replace(self._problem.others[buffer], source=buffer)
            tile.transfer(self._b, ref, access, columns, store=True)

    def _epilogue_operand(
        self,
        value: SSAValue,
        blocks: dict[Load | SSAValue, tuple[Ref | None, Operand]],
        tile: OutTile,
        rows: int,
        columns: int,
    ) -> Operand | float:
        source = self._body.source(value)
        if isinstance(source, np.ndarray):
            return float(source)
        key = self._key(value)
        assert key is not None
        if not isinstance(key, Load) or key in blocks:
            return blocks[key][1]
        access = self._problem.others[key]
        narrow = not any(self._problem.strides(access, COLUMNS))
        ref = self._b.alloc(rows, 1 if narrow else columns, key.element)
        if access.source is None:
            tile.number(self._b, ref, access, ref.columns)
        else:
            access = replace(access, source=self._body.buffers[access.source])
            tile.transfer(self._b, ref, access, ref.columns, store=False)
        operand = ref[((0, columns),)] if narrow else ref.all()
        blocks[key] = (ref, operand)
        return operand

    def _locate(self, op: Operation) -> None:
        self._b.loc, self._b.source = location(op), op.name


def _spread(view: View, dimensions: Sequence[int | None]) -> Strided:
    """An access over a larger space; None is a dimension the view does not have."""
    strides = tuple(0 if d is None else view.strides[d] for d in dimensions)
    return Strided(view.source, view.offset, strides)
