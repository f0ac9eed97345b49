"""Tile a contraction, with the elementwise ops that follow it, onto the tensor engine.

    %y = stablehlo.dot_general %x[M, K], %w[K, N];  %z = add %y, broadcast(%bias)
  becomes, for instance,
    hold w[K, N]
    for M / 512 { load x[M, K]; transpose
      for M / 128, for N / 1024 {
        for K / 128 { psum (+)= x[K, M].T @ w[K, N] }
        map add psum, bias -> sbuf; store } }

The contraction lies on the partitions of both operands. How large blocks are, which operand stays
on chip, and which one's indices come to lie on the partitions of the result is chosen by
`choose_tiles` for each shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from xdsl.ir import SSAValue

from neuronc.dialects.access import Affine
from neuronc.dialects.types import shape_of
from neuronc.dtypes import BY_NAME
from neuronc.hardware import Generation
from neuronc.passes.attributes import ints
from neuronc.passes.body import Body, element, location
from neuronc.passes.builder import Builder
from neuronc.passes.choose_tiles import choose
from neuronc.passes.contraction import (
    BATCH,
    COLUMNS,
    DEPTH,
    ROWS,
    OutTile,
    Problem,
    Side,
    cut,
    grow,
)
from neuronc.passes.draining import Drain, epilogue_key
from neuronc.passes.iteration import Load, Strided, Tile, collapse, tile_shape
from neuronc.passes.staging import Stage, Supply
from neuronc.passes.staging_windows import Windows
from neuronc.passes.tiling import Tiling
from neuronc.passes.views import View, dense


@dataclass(frozen=True)
class _Operand:
    """One side of the contraction: its class, its tiles and blocks, and whether it is held."""

    group: int
    tile: tuple[int, ...]
    block: tuple[int, ...]
    grouped: tuple[int, ...]
    """What accumulates in PSUM at the same time."""
    held: bool


class ContractLowering:
    """Emits one contraction kernel."""

    def __init__(self, body: Body, builder: Builder, hw: Generation) -> None:
        self._body, self._b, self._hw = body, builder, hw
        self._dot, *self._epilogue = body.compute
        self._problem = pose(body)
        self._kind = element(self._dot.operands[0])
        self.tiling: Tiling = choose(self._problem, body, builder, hw)
        lanes, line = (COLUMNS, ROWS) if self.tiling.transposed else (ROWS, COLUMNS)
        self._stationary = self._operand(lanes, hw.stationary_columns_max)
        self._moving = self._operand(line, hw.matmul_columns_max)
        self._drain = Drain(body, builder, hw, self._problem, self._dot, self._epilogue, lanes)

    def _operand(self, group: int, widest: int) -> _Operand:
        t, extents = self.tiling, self._problem.extents(group)
        tile = tile_shape(extents, widest)
        outer = group == t.outer
        block = grow(extents, tile, t.outer_tiles if outer else t.inner_tiles)
        tiles = t.stationary_group if widest == self._hw.stationary_columns_max else t.moving_group
        held = t.outer_held if outer else t.inner_held
        return _Operand(group, tile, block, grow(block, tile, tiles), held)

    def run(self) -> None:
        """Emit the whole kernel: batches outermost, then blocks of the operand that stays."""
        q = self._problem
        self._b.tilings.append(str(self.tiling))
        self._drain.preload(self._moving.group)
        ones = [1] * len(q.of(BATCH))
        for batch, _ in self._b.nest(q.extents(BATCH), ones):
            stage = Stage(
                self._b,
                self._hw,
                q,
                batch,
                self._kind,
                self._body.buffers,
                self.tiling.chunk,
                self.tiling.lanes,
            )
            self._emit_batch(stage)
        self._drain.finish()

    def _emit_batch(self, stage: Stage) -> None:
        q = self._problem
        first, second = self._stationary, self._moving
        if self.tiling.outer != first.group:
            first, second = second, first
        for starts, taken in self._b.nest(q.extents(first.group), first.block):
            outer = Side(q.operand(first.group), first.group, starts, taken)
            self._locate()
            one = self._supply(stage, outer, first.held)
            for starts, taken in self._b.nest(q.extents(second.group), second.block):
                inner = Side(q.operand(second.group), second.group, starts, taken)
                self._locate()
                two = self._supply(stage, inner, second.held)
                self._emit_block(stage, {outer.group: (outer, one), inner.group: (inner, two)})

    def _supply(self, stage: Stage, side: Side, held: bool) -> Supply:
        """Bring one block of an operand: as it lies, or what its windows cover."""
        footprint = self._problem.footprint(side.group, self.tiling.lanes)
        source = stage if footprint is None else Windows(stage, footprint)
        return source.hold(side) if held else source.stream(side)

    def _emit_block(self, stage: Stage, sides: Mapping[int, tuple[Side, Supply]]) -> None:
        """All pairs of one block of each operand, a PSUM-full at a time."""
        lanes, stationary = sides[self._stationary.group]
        line, moving = sides[self._moving.group]
        for a, lane_count in self._b.nest(lanes.taken, self._stationary.grouped):
            for b, line_count in self._b.nest(line.taken, self._moving.grouped):
                group = _Group(lanes, line, a, b, lane_count, line_count)
                self._emit_group(stage, group, stationary, moving)

    def _emit_group(self, stage: Stage, group: _Group, stationary: Supply, moving: Supply) -> None:
        """Accumulate some tiles over K in PSUM, then drain them."""
        bank = self._hw.psum_bank_bytes // 4
        lanes = cut(group.lane_count, tile_shape(group.lane_count, self._stationary_max()))
        lines = cut(group.line_count, tile_shape(group.line_count, self._hw.matmul_columns_max))
        banks = [
            self._b.alloc(_size(n), bank * len(lines), BY_NAME["f32"], "psum") for _, n in lanes
        ]
        self._locate()
        for chunk in stage.chunks(whole=self._stationary.held and self._moving.held):
            left, right = stationary(chunk), moving(chunk)
            for k in stage.tiles(chunk):
                weights, columns = left(k), right(k)
                for psum, (at, count) in zip(banks, lanes, strict=True):
                    for j, (start, width) in enumerate(lines):
                        self._b.matmul(
                            psum.at(j * bank, ((1, _size(width)),), 0, _size(count)),
                            weights.at(_shifted(group.lane_start, at), count),
                            columns.at(_shifted(group.line_start, start), width),
                            k.first,
                        )
        for psum, (at, count) in zip(banks, lanes, strict=True):
            source = psum.at(0, ((1, _size(group.line_count)),), 0, _size(count))
            self._drain.run(self._out_tile(stage, group, at, count), source)

    def _out_tile(
        self, stage: Stage, group: _Group, at: tuple[int, ...], count: tuple[int, ...]
    ) -> OutTile:
        """The tile of the result that one row of banks holds."""
        return OutTile(
            self._problem,
            Tile(stage.batch, (1,) * len(stage.batch)),
            group.lanes.part(_shifted(group.lane_start, at), count),
            group.line.part(group.line_start, group.line_count),
        )

    def _stationary_max(self) -> int:
        return self._hw.stationary_columns_max

    def _locate(self) -> None:
        self._b.loc, self._b.source = location(self._dot), self._dot.name


@dataclass(frozen=True)
class _Group:
    """The part of a block that accumulates together: where it starts in both of its sides."""

    lanes: Side
    line: Side
    lane_start: tuple[Affine, ...]
    line_start: tuple[Affine, ...]
    lane_count: tuple[int, ...]
    line_count: tuple[int, ...]


def _shifted(start: Sequence[Affine], by: Sequence[int]) -> list[Affine]:
    return [a + s for a, s in zip(start, by, strict=True)]


def _size(counts: Sequence[int]) -> int:
    size = 1
    for n in counts:
        size *= n
    return size


def pose(body: Body) -> Problem:
    """Lay the operands, the epilogue and the results of a contraction over one space."""
    dot = body.compute[0]
    lhs, rhs = (_view(body, v) for v in dot.operands)
    lb, rb = ints(dot, "lhs_batching_dimensions"), ints(dot, "rhs_batching_dimensions")
    lk = ints(dot, "lhs_contracting_dimensions")
    rk = ints(dot, "rhs_contracting_dimensions")
    m = [d for d in range(len(lhs.shape)) if d not in (*lb, *lk)]
    n = [d for d in range(len(rhs.shape)) if d not in (*rb, *rk)]
    sizes = [lhs.shape[d] for d in (*lb, *m)] + [rhs.shape[d] for d in n]
    sizes += [lhs.shape[d] for d in lk]
    left = _spread(lhs, (*lb, *m, *[None] * len(n), *lk))
    right = _spread(rhs, (*rb, *[None] * len(m), *n, *rk))
    groups = [_class(s, t) for s, t in zip(left.strides[: len(lb)], right.strides, strict=False)]
    groups += [ROWS] * len(m) + [COLUMNS] * len(n) + [DEPTH] * len(lk)
    others = _others(body, len(lk))
    every = _ordered([left, right, *others.values()], groups)
    sizes = [sizes[d] for d in _order(groups)]
    merged_sizes, merged_groups, (left, right, *rest) = collapse(sizes, sorted(groups), every)
    return Problem(merged_sizes, merged_groups, left, right, dict(zip(others, rest, strict=True)))


def _class(left: int, right: int) -> int:
    """A batch for which one operand is the same is more rows or columns of the other."""
    if left and not right:
        return ROWS
    return COLUMNS if right and not left else BATCH


def _order(groups: Sequence[int]) -> list[int]:
    """Dimensions class by class, each in order."""
    return sorted(range(len(groups)), key=groups.__getitem__)


def _ordered(accesses: Sequence[Strided], groups: Sequence[int]) -> list[Strided]:
    order = _order(groups)
    return [replace(a, strides=tuple(a.strides[d] for d in order)) for a in accesses]


def _view(body: Body, value: SSAValue) -> View:
    source = body.source(value)
    assert isinstance(source, View)
    return source


def _others(body: Body, contracted: int) -> dict[Load | SSAValue, Strided]:
    others: dict[Load | SSAValue, Strided] = {}
    for op in body.compute[1:]:
        for value in op.operands:
            key = epilogue_key(body, value)
            if isinstance(key, Load):
                others[key] = key.access
    for buffer, value in zip(body.outputs, body.yielded, strict=True):
        others[buffer] = Strided.of(dense(buffer, shape_of(value)))
    pad = (0,) * contracted
    return {k: replace(a, strides=a.strides + pad) for k, a in others.items()}


def _spread(view: View, dimensions: Sequence[int | None]) -> Strided:
    """An access over a larger space; None is a dimension the view does not have."""
    strides = tuple(0 if d is None else view.strides[d] for d in dimensions)
    return Strided(view.source, view.offset, strides)
