"""What every lowering of an elementwise and reduction kernel does with one frame of its space.

    %e = stablehlo.exponential(%x - broadcast(%m))
  becomes, for the frame that is being emitted,
    load x[128, C], as narrow as its strides allow; map subtract; map exp

A frame is a tile of the space that all values of the kernel share (`mapping.py`). A value is loaded
where the first op of the frame reads it, and lies there for the others.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
from xdsl.ir import Operation, SSAValue

from neuronc.dialects.access import Affine
from neuronc.dialects.stablehlo.reduction import ReduceOp
from neuronc.dialects.types import shape_of
from neuronc.dtypes import BY_NAME, ElementType
from neuronc.hardware import Generation
from neuronc.numerics import REDUCTIONS
from neuronc.passes.body import Body, element, location
from neuronc.passes.budget import BLOCK_COLUMNS, columns_max
from neuronc.passes.builder import Builder
from neuronc.passes.cover import cover_of, is_scattered
from neuronc.passes.functions import map_function, reduction_of
from neuronc.passes.iteration import Load, Strided, Tile
from neuronc.passes.map_windows import Covered, Walk
from neuronc.passes.mapping import (
    FULL,
    ONE,
    ROW,
    WINDOWS,
    Frame,
    Kind,
    RowTile,
    narrowest,
    split,
)
from neuronc.passes.operand import Operand, Ref, shape_pairs
from neuronc.passes.space import shared_space
from neuronc.passes.transfer import transfer, write_numbers
from neuronc.passes.views import View


class MapBlocks:
    """Emits the ops of one map kernel, frame by frame."""

    def __init__(self, body: Body, builder: Builder, hw: Generation) -> None:
        self._body, self._b, self._hw = body, builder, hw
        self._ops = body.compute
        self._space = shared_space(self._ops)
        self._accesses: dict[Load, Strided] = {}
        self._windows: dict[Load, Walk] = {}
        """How loads walk a partition of which all that they cover is loaded."""
        for op in self._ops:
            self._collect(op)

    def _outs(self) -> list[tuple[SSAValue, SSAValue]]:
        return list(zip(self._body.outputs, self._body.yielded, strict=True))

    def _level(self, value: SSAValue) -> Kind:
        return FULL if self._space.is_full(shape_of(value)) else ROW

    def _strided(self, view: View, level: Kind) -> Strided:
        """The access of a view over the collapsed order: kept axes, then reduced ones."""
        if level == ROW:
            rows = view.reshaped(self._space.rows)
            assert rows is not None
            access = Strided.of(rows)
            return replace(access, strides=access.strides + (0,) * len(self._space.reduced))
        return Strided.of(view, (*self._space.kept, *self._space.reduced))

    def _key(self, op: Operation, index: int) -> Load | SSAValue:
        """Name the block that holds operand `index` of `op`: a value, or a load or iota."""
        value = op.operands[index]
        source = self._body.source(value)
        assert isinstance(source, View)
        if source.source is not None and source.source not in self._body.buffers:
            return source.source
        level = self._operand_level(op, index)
        if isinstance(op, ReduceOp) and index >= 1:
            source = source.transformed(lambda a: np.broadcast_to(a, self._space.rows))
        access = self._strided(source, level)
        return Load(access, element(value), level)

    def _operand_level(self, op: Operation, index: int) -> Kind:
        if isinstance(op, ReduceOp):
            return FULL if index == 0 else ROW
        return self._level(op.results[0])

    def _collect(self, op: Operation) -> None:
        for index, value in enumerate(op.operands):
            if isinstance(self._body.source(value), np.ndarray):
                continue
            key = self._key(op, index)
            if isinstance(key, Load):
                self._accesses[key] = key.access

    def _columns(self) -> int:
        """Widest block of this kernel."""
        values = self._values()
        widest = max(element(op.results[0]).bytes for op in self._ops)
        return min(columns_max(values, max(widest, 4), self._hw), BLOCK_COLUMNS)

    def _can_stream(self) -> bool:
        """Whether no full value depends on a reduction; else whole rows stay, or do not fit."""
        rows = {r for op in self._ops for r in op.results if self._level(r) == ROW}
        full = [op for op in self._ops if self._level(op.results[0]) == FULL]
        sources = [self._body.source(v) for op in full for v in op.operands]
        return not any(isinstance(s, View) and s.source in rows for s in sources)

    def _resident_max(self) -> int:
        return columns_max(self._values(), 4, self._hw)

    def _values(self) -> int:
        """Blocks that lie on chip at once; two for a load that a cover may bring."""
        loads = self._accesses.values()
        sizes = [*self._space.rows, *(self._space.shape[d] for d in self._space.reduced)]
        covers = sum(is_scattered(a.strides, sizes) for a in loads)
        return len(loads) + covers + len(self._ops)

    def _streams(self, op: Operation) -> bool:
        return isinstance(op, ReduceOp) or self._level(op.results[0]) == FULL

    def _aim(self, frame: Frame, tile: Tile, stores: list[Strided], level: Kind) -> None:
        """Have results that reside computed right where they stay."""
        for (buffer, value), access in zip(self._outs(), stores, strict=True):
            if self._level(value) == level:
                there = self._window(access, buffer, level, tile, frame)
                if there is not None:
                    frame.targets[value] = there

    def _emit_stores(
        self, frame: Frame, tile: Tile, stores: list[Strided], levels: set[Kind]
    ) -> None:
        for (buffer, value), access in zip(self._outs(), stores, strict=True):
            if self._level(value) not in levels:
                continue
            ref, kind = frame.blocks[value]
            if ref is frame.targets.get(value):
                continue
            self._dma(ref, kind, replace(access, source=buffer), tile, frame, store=True)

    def _emit_op(self, op: Operation, frame: Frame, tile: Tile, loads: dict[Load, Strided]) -> None:
        if isinstance(op, ReduceOp):
            total = self._b.alloc(frame.partitions, frame.rows, wide(element(op.results[0])))
            self._reduce(op, total, frame, tile, loads)
            self._finish(op, total, frame, tile, loads)
            return
        level = self._level(op.results[0])
        self._locate(op)
        sources = [self._operand(op, i, frame, tile, loads, level) for i in range(len(op.operands))]
        result = op.results[0]
        ref = frame.targets.get(result)
        if ref is None:
            ref = self._b.alloc(frame.partitions, frame.width(level), element(result))
        frame.blocks[result] = (ref, level)
        map_function(self._b, op, ref[frame.pairs(level, level)], sources, frame.partitions)

    def _operand(
        self,
        op: Operation,
        index: int,
        frame: Frame,
        tile: Tile,
        loads: dict[Load, Strided],
        level: Kind,
    ) -> Operand | float:
        """The on-chip access of an operand, loading it first if need be, or a splat's value."""
        source = self._body.source(op.operands[index])
        if isinstance(source, np.ndarray):
            return float(source)
        key = self._key(op, index)
        if isinstance(key, Load) and key not in frame.blocks:
            frame.blocks[key] = self._load(key, level, loads[key], frame, tile)
        ref, kind = frame.blocks[key]
        return ref[frame.pairs(kind, level)]

    def _load(
        self, key: Load, level: Kind, access: Strided, frame: Frame, tile: Tile
    ) -> tuple[Ref, Kind]:
        """Bring a buffer's part (or an iota) on chip, as narrow as its strides allow."""
        if key in self._windows:
            return self._cover(self._covered(key, tile), key, access, frame, tile), WINDOWS
        kind = narrowest(access, tile, level, len(self._space.reduced) > 0)
        if access.source is not None:
            there = self._window(access, self._body.buffers[access.source], kind, tile, frame)
            if there is not None:
                return there, kind
        ref = self._b.alloc(frame.partitions, frame.width(kind), key.element)
        if access.source is None:
            self._iota(ref, kind, access, tile, frame)
        else:
            buffer = self._body.buffers[access.source]
            self._bring(ref, kind, replace(access, source=buffer), key.element, tile, frame)
        return ref, kind

    def _bring(
        self, ref: Ref, kind: Kind, access: Strided, type_: ElementType, tile: Tile, frame: Frame
    ) -> None:
        """Load a block: as it lies, or the run that covers it."""
        step, free = split(access, tile, kind)
        cover = cover_of(free, frame.partitions, type_, self._hw)
        if cover is None:
            self._dma(ref, kind, access, tile, frame, store=False)
            return
        assert access.source is not None
        start = tile.offset(access.strides) + access.offset + cover.first
        whole = self._b.alloc(frame.partitions, cover.columns, type_)
        window = (access.source, start, step)
        lanes = (0, frame.partitions)
        transfer(self._b, whole, Affine(), lanes, window, ((1, cover.columns),), False)
        laid = ref[shape_pairs([n for _, n in cover.pairs])]
        self._b.cast(laid, whole.at(-cover.first, cover.pairs))

    def _covered(self, key: Load, tile: Tile) -> Covered:
        """What the windows of a tile cover."""
        assert isinstance(tile, RowTile)
        inner = tile.columns | {tile.on_partitions}
        taken = tuple(n for d, n in enumerate(tile.counts) if d not in inner)
        return Covered(self._windows[key], taken)

    def _cover(self, covered: Covered, key: Load, access: Strided, frame: Frame, tile: Tile) -> Ref:
        """Bring all that some windows cover on chip."""
        assert access.source is not None
        step, _ = split(access, tile, ONE)
        buffer, base = self._body.buffers[access.source], tile.offset(access.strides)
        lanes, window = (0, frame.partitions), (buffer, base + access.offset, step)
        there = self._b.residents.window(buffer, window[1], lanes, step, covered.runs)
        if there is not None:
            return there
        ref = self._b.alloc(frame.partitions, covered.columns, key.element)
        transfer(self._b, ref, Affine(), lanes, window, covered.runs, store=False)
        return ref

    def _window(
        self, access: Strided, buffer: SSAValue, kind: Kind, tile: Tile, frame: Frame
    ) -> Ref | None:
        """The columns on chip that the access reads or writes, if its buffer resides."""
        step, free = split(access, tile, kind)
        if prod(n for _, n in free) != frame.width(kind):
            return None
        base = tile.offset(access.strides) + access.offset
        return self._b.residents.window(buffer, base, (0, frame.partitions), step, free)

    def _dma(
        self, ref: Ref, kind: Kind, access: Strided, tile: Tile, frame: Frame, store: bool
    ) -> None:
        assert access.source is not None
        step, free = split(access, tile, kind)
        window = (access.source, tile.offset(access.strides) + access.offset, step)
        transfer(self._b, ref, Affine(), (0, frame.partitions), window, free, store)

    def _iota(self, ref: Ref, kind: Kind, access: Strided, tile: Tile, frame: Frame) -> None:
        step, free = split(access, tile, kind)
        base = tile.offset(access.strides) + access.offset
        write_numbers(self._b, ref, (0, frame.partitions), base, step, free)

    def _reduce(
        self, op: Operation, dst: Ref, frame: Frame, tile: Tile, loads: dict[Load, Strided]
    ) -> None:
        self._locate(op)
        key = self._windowed(op)
        if key is not None:
            if key not in frame.blocks:
                frame.blocks[key] = self._load(key, FULL, loads[key], frame, tile)
            covered = self._covered(key, tile)
            kept, taps = covered.kept or ((0, 1),), covered.tapped
            source = frame.blocks[key][0][(*kept, *taps)]
            into = dst[shape_pairs([n for _, n in kept])]
            self._b.reduce(reduction_of(op), into, source, len(taps))
            return
        source = self._operand(op, 0, frame, tile, loads, FULL)
        if not isinstance(source, tuple):
            block = self._b.alloc(frame.partitions, 1, dst.element)
            self._fill(block, source)
            source = block[frame.pairs(ONE, FULL)]
        self._b.reduce(reduction_of(op), dst[((1, frame.rows),)], source, 1)

    def _windowed(self, op: Operation) -> Load | None:
        """The load that a reduction reads window by window, if it does."""
        if isinstance(self._body.source(op.operands[0]), np.ndarray):
            return None
        key = self._key(op, 0)
        return key if isinstance(key, Load) and key in self._windows else None

    def _finish(
        self, op: Operation, total: Ref, frame: Frame, tile: Tile, loads: dict[Load, Strided]
    ) -> None:
        """Combine with the initial value where it is not the identity, and convert."""
        initial = self._body.source(op.operands[1])
        if not isinstance(initial, np.ndarray):
            operand = self._operand(op, 1, frame, tile, loads, ROW)
            assert isinstance(operand, tuple)
            self._b.map(reduction_of(op), total.all(), total.all(), operand)
        elif float(initial) != identity(op):
            self._b.map(
                reduction_of(op), total.all(), total.all(), immediate=float(initial), immediate_at=1
            )
        result = op.results[0]
        if total.element is not element(result):
            narrow = self._b.alloc(frame.partitions, frame.rows, element(result))
            self._b.cast(narrow.all(), total.all())
            total = narrow
        frame.blocks[result] = (total, ROW)

    def _fill(self, ref: Ref, value: float) -> None:
        self._b.fill(ref.all(), value)

    def _locate(self, op: Operation) -> None:
        self._b.loc, self._b.source = location(op), op.name


def wide(kind: ElementType) -> ElementType:
    """What a reduction accumulates in: float32 for every narrower float."""
    return BY_NAME["f32"] if kind.is_float and kind.bytes < 4 else kind


def identity(op: Operation) -> float:
    """What changes no value of a reduction."""
    return float(REDUCTIONS[reduction_of(op)].identity(element(op.results[0]).numpy))
