"""Schedules of kernels, as the records that neuronc would time.

`Schedule` issues single records into rotating buffers; waits are derived from what they touch, as
for a compiled kernel. What issues them: matmul_schedule.py and mamba_schedule.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from neuronc.backend.emit import SLOTS_MAX, WIDE, Emitted
from neuronc.backend.kernels import split
from neuronc.backend.synchronize import synchronize
from neuronc.dtypes import BY_NAME
from neuronc.hardware import Generation
from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory, Operand
from neuronc.isa.records import Record, encode
from neuronc.isa.table import ENGINES, Engine, Instruction
from neuronc.numerics import FUNCTIONS
from neuronc.timeline.simulate import Timeline, simulate


@dataclass
class Ring:
    """Buffers of [partitions, columns] that take turns."""

    memory: Memory
    dtype: str
    columns: int
    start: int
    count: int
    partitions: int = 128
    turn: int = -1

    def next(self, columns: int = 0, partitions: int = 0) -> Operand:
        """The next buffer, or its first columns on its first partitions."""
        self.turn = (self.turn + 1) % self.count
        return self.operand(0, columns or self.columns, partitions)

    def operand(self, first: int, columns: int, partitions: int = 0) -> Operand:
        """Some columns of the current buffer, on all partitions or on the first ones."""
        row = BY_NAME[self.dtype]
        size = self.columns * row.bytes
        at = self.start + self.turn * size
        shape = ((1,), (columns,), 0, 0, partitions or self.partitions)
        return Operand(self.memory, row.code, first * row.bytes, *shape, at, size)


@dataclass
class Schedule:
    """Records in program order, each distinct one encoded once."""

    hw: Generation
    distinct: dict[tuple[Instruction, Engine], int] = field(
        default_factory=dict[tuple[Instruction, Engine], int]
    )
    sequence: list[int] = field(default_factory=list[int])
    used: dict[Memory, int] = field(default_factory=dict[Memory, int])

    def ring(
        self,
        columns: int,
        count: int,
        dtype: str,
        memory: Memory = Memory.SBUF,
        partitions: int = 128,
    ) -> Ring:
        """New buffers, after those that are there."""
        start = self.used.get(memory, 0)
        self.used[memory] = start + columns * count * BY_NAME[dtype].bytes
        return Ring(memory, dtype, columns, start, count, partitions)

    def issue(self, engine: Engine, instruction: Instruction) -> None:
        """Append one record."""
        key = (instruction, engine)
        self.sequence.append(self.distinct.setdefault(key, len(self.distinct)))

    def load(self, dst: Operand) -> None:
        """Fill a buffer from rows of a wide array in HBM."""
        self.issue(Engine.DMA_IN, isa.DmaCopy(dst, _rows(dst, 0), 0))

    def store(self, src: Operand) -> None:
        """The other way."""
        self.issue(Engine.DMA_OUT, isa.DmaCopy(_rows(src, 1), src, 0))

    def matmul(self, dst: Operand, stationary: Operand, moving: Operand, first: bool) -> None:
        """A product, added to dst if it is not the first."""
        self.issue(Engine.TENSOR, isa.MatMul(dst, stationary, moving, int(not first)))

    def combine(self, function: str, dst: Operand, lhs: Operand, rhs: Operand) -> None:
        """Two blocks on the vector engine."""
        code = FUNCTIONS[function].code
        self.issue(Engine.VECTOR, isa.TensorTensor(dst, lhs, rhs, code))

    def copy(self, dst: Operand, src: Operand) -> None:
        """A block on the vector engine."""
        self.issue(Engine.VECTOR, isa.Copy(dst, src))

    def activate(self, function: str, dst: Operand, src: Operand) -> None:
        """A block on the scalar engine."""
        code = FUNCTIONS[function].code
        self.issue(Engine.SCALAR, isa.Activation(dst, src, None, None, code, 1.0))

    def streams(self) -> dict[Engine, np.ndarray]:
        """The records by engine, with their waits."""
        keys = list(self.distinct)
        records = np.zeros(len(keys), WIDE)
        raw = records.view(np.uint8).reshape(len(keys), -1)
        for row, (instruction, engine) in zip(raw, keys, strict=True):
            encoded = encode([Record(instruction, (0,) * len(ENGINES), 0)], engine)
            row[: encoded.nbytes] = encoded.view(np.uint8)[: row.size]
        records["operands"]["counts"][records["operands"]["memory"] == Memory.NONE] = 1
        written = np.zeros((len(keys), SLOTS_MAX), np.bool_)
        for i, (instruction, _) in enumerate(keys):
            flags = [slot.written for slot in instruction.slots.values()]
            written[i, : len(flags)] = flags
        which = np.array(self.sequence)
        engines = np.array([engine for _, engine in keys], np.int64)[which]
        emitted = Emitted(records[which], engines, written[which], ())
        synchronize(emitted)
        return split(emitted)

    def overflow(self) -> str:
        """What its buffers take beyond the chip's SBUF, in words; empty if they fit."""
        need, have = self.used.get(Memory.SBUF, 0), self.hw.sbuf_bytes_per_partition
        return f"needs {need:,} of {have:,} bytes a partition" if need > have else ""

    def timeline(self, ramp: bool = False) -> Timeline:
        """When each record runs."""
        return simulate(self.streams(), self.hw, ramp)


def _rows(block: Operand, buffer: int) -> Operand:
    """As many elements in HBM as a block has, its rows apart."""
    (columns,) = block.counts
    shape = ((1 << 20, 1), (block.partitions, columns))
    return Operand(Memory.HBM, block.dtype, 0, *shape, buffer)


def dependent_activations(hw: Generation, count: int) -> Schedule:
    """One-element activations, each of the result of the one before."""
    out = Schedule(hw)
    value = out.ring(1, 1, "f32").next()
    for _ in range(count):
        out.activate("exponential", value, value)
    return out
