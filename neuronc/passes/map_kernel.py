"""What an elementwise and reduction kernel computes: the levels of its values, and how it reads.

%m = reduce max %x[512, 128];  %d = subtract %x, broadcast(%m)
is
%x, %d full, %m a row value;  loads {x by rows};  no streaming, as %d depends on %m
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from xdsl.ir import Operation, SSAValue

from neuronc.dialects.stablehlo.reduction import ReduceOp
from neuronc.dialects.types import shape_of
from neuronc.hardware import Generation
from neuronc.passes.body import Body, element
from neuronc.passes.budget import BLOCK_COLUMNS, columns_max
from neuronc.passes.cover import is_scattered
from neuronc.passes.iteration import Load, Strided
from neuronc.passes.mapping import FULL, ROW, Kind
from neuronc.passes.space import shared_space
from neuronc.passes.views import View


class MapKernel:
    """One kernel over one space, before it is cut."""

    def __init__(self, body: Body, hw: Generation) -> None:
        self._body, self._hw = body, hw
        self.ops = body.compute
        self.space = shared_space(self.ops)
        self.accesses: dict[Load, Strided] = {}
        for op in self.ops:
            self._collect(op)

    def outs(self) -> list[tuple[SSAValue, SSAValue]]:
        """Each output buffer, and the value that goes there."""
        return list(zip(self._body.outputs, self._body.yielded, strict=True))

    def sizes(self) -> list[int]:
        """The space in the order of accesses: kept axes, then reduced ones."""
        return [self.space.shape[d] for d in (*self.space.kept, *self.space.reduced)]

    def level(self, value: SSAValue) -> Kind:
        """Whether a value is full or a row value."""
        return FULL if self.space.is_full(shape_of(value)) else ROW

    def strided(self, view: View, level: Kind) -> Strided:
        """The access of a view over the collapsed order: kept axes, then reduced ones."""
        if level == ROW:
            rows = view.reshaped(self.space.rows)
            assert rows is not None
            access = Strided.of(rows)
            return replace(access, strides=access.strides + (0,) * len(self.space.reduced))
        return Strided.of(view, (*self.space.kept, *self.space.reduced))

    def key(self, op: Operation, index: int) -> Load | SSAValue:
        """Name the block that holds operand `index` of `op`: a value, or a load or iota."""
        value = op.operands[index]
        source = self._body.source(value)
        assert isinstance(source, View)
        if source.source is not None and source.source not in self._body.buffers:
            return source.source
        level = self._operand_level(op, index)
        if isinstance(op, ReduceOp) and index >= 1:
            source = source.transformed(lambda a: np.broadcast_to(a, self.space.rows))
        access = self.strided(source, level)
        return Load(access, element(value), level)

    def _operand_level(self, op: Operation, index: int) -> Kind:
        if isinstance(op, ReduceOp):
            return FULL if index == 0 else ROW
        return self.level(op.results[0])

    def _collect(self, op: Operation) -> None:
        for index, value in enumerate(op.operands):
            if isinstance(self._body.source(value), np.ndarray):
                continue
            key = self.key(op, index)
            if isinstance(key, Load):
                self.accesses[key] = key.access

    def columns(self) -> int:
        """Widest block of this kernel."""
        values = self._values()
        widest = max(element(op.results[0]).bytes for op in self.ops)
        return min(columns_max(values, max(widest, 4), self._hw), BLOCK_COLUMNS)

    def can_stream(self) -> bool:
        """Whether no full value depends on a reduction; else whole rows stay, or do not fit."""
        rows = {r for op in self.ops for r in op.results if self.level(r) == ROW}
        full = [op for op in self.ops if self.level(op.results[0]) == FULL]
        sources = [self._body.source(v) for op in full for v in op.operands]
        return not any(isinstance(s, View) and s.source in rows for s in sources)

    def resident_max(self) -> int:
        """Widest row that stays on chip whole, with all that is computed of it."""
        return columns_max(self._values(), 4, self._hw)

    def _values(self) -> int:
        """Blocks that lie on chip at once; two for a load that a cover may bring."""
        loads = self.accesses.values()
        covers = sum(is_scattered(a.strides, self.sizes()) for a in loads)
        return len(loads) + covers + len(self.ops)

    def streams(self, op: Operation) -> bool:
        """Whether an op walks all columns, chunk by chunk; others follow once a row."""
        return isinstance(op, ReduceOp) or self.level(op.results[0]) == FULL
