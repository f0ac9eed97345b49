"""What every lowering of an elementwise and reduction kernel does with one frame of its space.

    %e = stablehlo.exponential(%x - broadcast(%m))
  becomes, for the frame that is being emitted,
    load x[128, C], as narrow as its strides allow; map subtract; map exp

A frame is a tile of the space that all values of the kernel share (`mapping.py`). A value is loaded
where the first op of the frame reads it, and lies there for the others.
"""

from __future__ import annotations

import numpy as np
from xdsl.ir import Operation

from neuronc.dialects.stablehlo.reduction import ReduceOp
from neuronc.dtypes import BY_NAME, ElementType
from neuronc.hardware import Generation
from neuronc.numerics import REDUCTIONS
from neuronc.passes.body import Body, element, location
from neuronc.passes.builder import Builder
from neuronc.passes.functions import map_function, reduction_of
from neuronc.passes.iteration import Load, Strided, Tile
from neuronc.passes.map_kernel import MapKernel
from neuronc.passes.map_moves import Moves
from neuronc.passes.mapping import FULL, ONE, ROW, Frame, Kind
from neuronc.passes.operand import Operand, Ref, shape_pairs


class MapBlocks:
    """Emits the ops of one map kernel, frame by frame."""

    def __init__(self, body: Body, builder: Builder, hw: Generation) -> None:
        self._body, self._b, self._hw = body, builder, hw
        self._kernel = MapKernel(body, hw)
        self._moves = Moves(self._kernel, body, builder, hw)

    def _emit_op(self, op: Operation, frame: Frame, tile: Tile, loads: dict[Load, Strided]) -> None:
        if isinstance(op, ReduceOp):
            total = self._b.alloc(frame.partitions, frame.rows, wide(element(op.results[0])))
            self._reduce(op, total, frame, tile, loads)
            self._finish(op, total, frame, tile, loads)
            return
        level = self._kernel.level(op.results[0])
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
        key = self._kernel.key(op, index)
        if isinstance(key, Load) and key not in frame.blocks:
            frame.blocks[key] = self._moves.load(key, level, loads[key], frame, tile)
        ref, kind = frame.blocks[key]
        return ref[frame.pairs(kind, level)]

    def _reduce(
        self, op: Operation, dst: Ref, frame: Frame, tile: Tile, loads: dict[Load, Strided]
    ) -> None:
        self._locate(op)
        key = self._windowed(op)
        if key is not None:
            if key not in frame.blocks:
                frame.blocks[key] = self._moves.load(key, FULL, loads[key], frame, tile)
            covered = self._moves.covered(key, tile)
            kept, taps = covered.kept or ((0, 1),), covered.tapped
            source = frame.blocks[key][0][(*kept, *taps)]
            into = dst[shape_pairs([n for _, n in kept])]
            self._b.reduce(reduction_of(op), into, source, len(taps))
            return
        source = self._operand(op, 0, frame, tile, loads, FULL)
        if not isinstance(source, tuple):
            block = self._b.alloc(frame.partitions, 1, dst.element)
            self._b.fill(block.all(), source)
            source = block[frame.pairs(ONE, FULL)]
        self._b.reduce(reduction_of(op), dst[((1, frame.rows),)], source, 1)

    def _windowed(self, op: Operation) -> Load | None:
        """The load that a reduction reads window by window, if it does."""
        if isinstance(self._body.source(op.operands[0]), np.ndarray):
            return None
        key = self._kernel.key(op, 0)
        return key if isinstance(key, Load) and key in self._moves.windows else None

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

    def _locate(self, op: Operation) -> None:
        self._b.loc, self._b.source = location(op), op.name


def wide(kind: ElementType) -> ElementType:
    """What a reduction accumulates in: float32 for every narrower float."""
    return BY_NAME["f32"] if kind.is_float and kind.bytes < 4 else kind


def identity(op: Operation) -> float:
    """What changes no value of a reduction."""
    return float(REDUCTIONS[reduction_of(op)].identity(element(op.results[0]).numpy))
