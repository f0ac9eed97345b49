"""Take one tile of a contraction's result out of PSUM: its epilogue, and where it goes.

A tile has one side's indices on the partitions and the other's along the line. What the epilogue
reads that is the same for all lanes or all along the line (a bias, a scale) is loaded once for the
whole kernel. Where a result goes is given: its HBM buffer, or a place in SBUF.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from xdsl.ir import Operation, SSAValue

from neuronc.dialects.stablehlo.binary import (
    AddOp,
    DivideOp,
    MaximumOp,
    MinimumOp,
    MultiplyOp,
    SubtractOp,
)
from neuronc.hardware import Generation
from neuronc.passes.body import Body, element, location
from neuronc.passes.builder import Builder
from neuronc.passes.contraction import BATCH, OutTile, Problem, divided
from neuronc.passes.functions import map_function
from neuronc.passes.iteration import Load, Strided
from neuronc.passes.operand import Operand, Ref, hbm
from neuronc.passes.vectors import can_store, load_vector, store_vector

PRELOADED_SHARE = 16
"""A vector that takes more than this part of SBUF is not kept for the whole kernel."""
Key = Load | SSAValue
Blocks = dict[Key, tuple[Ref | None, Operand]]


_ARITHMETIC = (AddOp, SubtractOp, MultiplyOp, DivideOp, MaximumOp, MinimumOp)


def rounds_first(dot: Operation, yielded: Sequence[SSAValue]) -> bool:
    """Whether a tile is copied out of PSUM, to its own type, before the epilogue.

    An operation that alone reads a product of small floats takes it from PSUM, in float32, and
    rounds what it makes of it: one rounding less than the program asks for, as XLA's default
    (`xla_allow_excess_precision`) allows too. An engine reads at most one operand from PSUM.
    """
    result = dot.results[0]
    if result in yielded:
        return True
    if element(result).name == "f32":
        return False
    users = [use.operation for use in result.uses]
    small = element(result).name in ("bf16", "f16")
    return not (small and len(users) == 1 and isinstance(users[0], _ARITHMETIC))


def epilogue_key(body: Body, value: SSAValue) -> Key | None:
    """What an epilogue operand is: a computed value, a load, or None for a splat."""
    from_ = body.source(value)
    if isinstance(from_, np.ndarray):
        return None
    if from_.source is not None and from_.source not in body.buffers:
        return from_.source
    return Load(Strided.of(from_), element(value))


@dataclass
class Drain:
    """Runs the epilogue of one contraction, tile by tile."""

    body: Body
    builder: Builder
    hw: Generation
    problem: Problem
    dot: Operation
    epilogue: list[Operation]
    lanes: int
    """The class of dimensions that lies on the partitions."""
    kept: dict[Load, tuple[Ref, bool]] = field(default_factory=dict[Load, tuple[Ref, bool]])
    """What was loaded once: a line for all lanes, or (True) a column for each tile of lanes."""
    gathered: dict[SSAValue, Ref] = field(default_factory=dict[SSAValue, Ref])
    """Results of one column a tile, which leave together at the end: a column for each tile."""

    def preload(self, line: int) -> None:
        """Load the vectors that every tile reads a part of; `line` is the other class."""
        for op in self.epilogue:
            for value in op.operands:
                key = epilogue_key(self.body, value)
                if isinstance(key, Load) and key not in self.kept:
                    self._locate(op)
                    self._preload(key, line)

        for buffer, value in zip(self.body.outputs, self.body.yielded, strict=True):
            if self._is_vector(buffer, value, line):
                columns = -(-self.problem.size(self.lanes) // self.hw.partitions)
                self.gathered[value] = self.builder.alloc(
                    self.hw.partitions, columns, element(value)
                )

    def _is_vector(self, buffer: SSAValue, value: SSAValue, line: int) -> bool:
        """Whether a result is one dense vector over the lanes, in HBM."""
        q, access = self.problem, self.problem.others[buffer]
        size = q.size(self.lanes)
        columns = -(-size // self.hw.partitions)
        room = self.hw.sbuf_bytes_per_partition // PRELOADED_SHARE
        return (
            q.size(BATCH) == q.size(line) == 1
            and q.strides(access, self.lanes) == [1]
            and self.builder.residents.layout_of(buffer) is None
            and can_store(size, self.hw.partitions, element(value).name)
            and columns * element(value).bytes <= room
        )

    def finish(self) -> None:
        """Store what was gathered."""
        for buffer, value in zip(self.body.outputs, self.body.yielded, strict=True):
            if value in self.gathered:
                offset, size = self.problem.others[buffer].offset, self.problem.size(self.lanes)
                store_vector(self.builder, self.gathered[value], buffer, offset, size)

    def _preload(self, key: Load, line: int) -> None:
        q, access = self.problem, self.problem.others[key]
        strides = [q.strides(access, g) for g in (BATCH, self.lanes, line)]
        moving = [any(s) for s in strides]
        if access.source is None or moving[0]:
            return
        if self.builder.residents.layout_of(self.body.buffers[access.source]) is not None:
            return
        if moving[1] == moving[2] or len(q.of(self.lanes if moving[1] else line)) != 1:
            return
        (step,) = strides[1] if moving[1] else strides[2]
        extent = q.size(self.lanes if moving[1] else line)
        tiles = -(-extent // self.hw.partitions)
        columns = tiles if moving[1] else extent
        room = self.hw.sbuf_bytes_per_partition // PRELOADED_SHARE
        if columns * key.element.bytes > room:
            return
        lanes = min(q.size(self.lanes), self.hw.partitions)
        ref = self.builder.alloc(lanes, columns, key.element)
        buffer = self.body.buffers[access.source]
        if moving[1]:
            load_vector(self.builder, self.hw, ref, (buffer, access.offset, step), extent)
        else:
            pairs = ((0, lanes), (step, extent))
            self.builder.dma(ref.all(), hbm(buffer, access.offset, pairs))
        self.kept[key] = (ref, moving[1])

    def run(self, tile: OutTile, source: Operand) -> None:
        """Run the epilogue on one tile of the result, and hand on what leaves the kernel."""
        lanes, columns = tile.lanes.size, tile.line.size
        result = self.dot.results[0]
        blocks: Blocks = {result: (None, source)}
        if rounds_first(self.dot, self.body.yielded):
            self._locate(self.dot)
            blocks[result] = self._target(result, tile)
            self.builder.cast(blocks[result][1], source)
        for op in self.epilogue:
            self._locate(op)
            sources = [self._operand(v, blocks, tile) for v in op.operands]
            made = self._target(op.results[0], tile)
            map_function(self.builder, op, made[1], sources, lanes)
            blocks[op.results[0]] = made
        for buffer, value in zip(self.body.outputs, self.body.yielded, strict=True):
            ref, _ = blocks[value]
            if ref is not None:
                access = replace(self.problem.others[buffer], source=buffer)
                tile.transfer(self.builder, ref, access, columns, store=True)

    def _target(self, value: SSAValue, tile: OutTile) -> tuple[Ref | None, Operand]:
        """Where a value of the tile goes: its place on chip, or a new block."""
        if value in self.gathered:
            at = divided(tile.lanes.starts[0], self.hw.partitions)
            return None, self.gathered[value].at(at, ((1, 1),), 0, tile.lanes.size)
        if value in self.body.yielded:
            buffer = self.body.outputs[self.body.yielded.index(value)]
            access = replace(self.problem.others[buffer], source=buffer)
            there = tile.window(self.builder, access, tile.line.size)
            if there is not None:
                return None, there.all()
        ref = self.builder.alloc(tile.lanes.size, tile.line.size, element(value))
        return ref, ref.all()

    def _operand(self, value: SSAValue, blocks: Blocks, tile: OutTile) -> Operand | float:
        splat = self.body.source(value)
        if isinstance(splat, np.ndarray):
            return float(splat)
        key = epilogue_key(self.body, value)
        assert key is not None
        if not isinstance(key, Load) or key in blocks:
            return blocks[key][1]
        if key in self.kept:
            return self._kept(key, tile)
        access, columns = self.problem.others[key], tile.line.size
        if access.source is not None:
            access = replace(access, source=self.body.buffers[access.source])
        narrow = tile.is_narrow(access)
        width = 1 if narrow else columns
        ref = tile.window(self.builder, access, width) if access.source is not None else None
        if ref is None:
            ref = self.builder.alloc(tile.lanes.size, width, key.element)
            if access.source is None:
                tile.number(self.builder, ref, access, width)
            else:
                tile.transfer(self.builder, ref, access, width, store=False)
        operand = ref[((0, columns),)] if narrow else ref.all()
        blocks[key] = (ref, operand)
        return operand

    def _kept(self, key: Load, tile: OutTile) -> Operand:
        """The part of a vector that is on chip already."""
        ref, by_lane = self.kept[key]
        columns, lanes = tile.line.size, tile.lanes.size
        if by_lane:
            at = divided(tile.lanes.starts[0], ref.partitions)
            return ref.at(at, ((0, columns),), 0, lanes)
        return ref.at(tile.line.starts[0], ((1, columns),), 0, lanes)

    def _locate(self, op: Operation) -> None:
        self.builder.loc, self.builder.source = location(op), op.name
