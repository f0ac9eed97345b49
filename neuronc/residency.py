"""Where activations are between the operations that make and read them: on chip, or in HBM.

    %h = tanh %x      vector writes h[128, 512] to SBUF         256 KiB stay on chip
    %y = dot %h, %w   tensor reads it there
    %z = sort %y      y is stored to a temporary, and loaded    through HBM

Counted from the records of an artifact, in an order that their waits allow. On chip: what an
engine has written to SBUF or PSUM and a record of another operation reads there, once, before it
is written over. Through HBM: what kernels store to temporary buffers, and what they load from
them. Weights, inputs and outputs are neither. Loops of the program count as one iteration.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import prod

from neuronc.artifact.compulsory import calls_of
from neuronc.artifact.model import Artifact, BufferKind, Kernel, LibraryOperand
from neuronc.dtypes import BY_CODE, BY_NAME
from neuronc.isa.instructions import DmaCopy, DmaGather, DmaScatter
from neuronc.isa.operands import Memory, Operand, elements
from neuronc.isa.records import Record, decode
from neuronc.isa.table import DMA_QUEUES, Engine
from neuronc.runtime.order import legal_order


@dataclass(frozen=True)
class Residency:
    """Bytes of activations of one run of a program."""

    chip_bytes: int
    """Handed from one operation to another in SBUF or PSUM."""
    stored_bytes: int
    """Written to temporaries in HBM."""
    loaded_bytes: int
    """Read from temporaries in HBM, each time that they are."""

    @property
    def share(self) -> float:
        """Of the bytes that operations hand on, those that stay on chip."""
        total = self.chip_bytes + self.stored_bytes
        return self.chip_bytes / total if total else 1.0


def residency(artifact: Artifact) -> Residency:
    """Follow the activations of one run; of a branch, every way counts."""
    chip: dict[int, int] = {}
    moved: dict[int, tuple[Counter[int], Counter[int]]] = {}
    kept = stored = loaded = 0
    for call in calls_of(artifact.program):
        kernel = artifact.kernels[call.kernel]
        if call.kernel not in chip:
            chip[call.kernel] = _kept_bytes(kernel)
            moved[call.kernel] = _hbm_bytes(kernel)
        kept += chip[call.kernel]
        temporary = {
            i
            for i, number in enumerate(call.buffers)
            if artifact.buffers[number].kind is BufferKind.TEMPORARY
        }
        written, read = moved[call.kernel]
        stored += sum(size for i, size in written.items() if i in temporary)
        loaded += sum(size for i, size in read.items() if i in temporary)
    return Residency(kept, stored, loaded)


@dataclass(eq=False)
class _Written:
    """Bytes on chip that one record has written."""

    operand: Operand
    source: int
    kept: bool = False


@dataclass
class _Chip:
    """What lies in SBUF and PSUM, and how much of it another operation has read."""

    bytes: int = 0
    values: list[_Written] = field(default_factory=list[_Written])

    def run(self, engine: Engine, record: Record) -> None:
        """Read, then write, as one record does."""
        slots = type(record.instruction).slots
        operands = [(slot, getattr(record.instruction, name)) for name, slot in slots.items()]
        for slot, operand in operands:
            if operand is not None and not slot.written:
                self._read(operand, record.source, engine)
        for slot, operand in operands:
            if operand is not None and slot.written and operand.memory is not Memory.HBM:
                self.values = [v for v in self.values if not _meet(v.operand, operand)]
                if engine not in DMA_QUEUES:
                    self.values.append(_Written(operand, record.source))

    def _read(self, operand: Operand, source: int, engine: Engine) -> None:
        if operand.memory is Memory.HBM or engine in DMA_QUEUES:
            return
        for value in self.values:
            if not value.kept and value.source != source and _meet(value.operand, operand):
                value.kept = True
                self.bytes += _bytes(value.operand)


def _kept_bytes(kernel: Kernel) -> int:
    records = {engine: list(decode(stream)) for engine, stream in kernel.streams.items()}
    chip = _Chip()
    for engine, at in legal_order(kernel.streams, kernel.name):
        chip.run(engine, records[engine][at])
    return chip.bytes


def _meet(one: Operand, other: Operand) -> bool:
    """Whether two accesses on chip may reach the same byte: their partitions and spans overlap."""
    if one.memory is not other.memory:
        return False
    if one.partition_start >= other.partition_start + other.partitions:
        return False
    if other.partition_start >= one.partition_start + one.partitions:
        return False
    (low, high), (start, stop) = _span(one), _span(other)
    return low < stop and start < high


def _span(operand: Operand) -> tuple[int, int]:
    size = BY_CODE[operand.dtype].bytes
    ends = [step * (n - 1) * size for step, n in zip(operand.steps, operand.counts, strict=True)]
    first = operand.tile_start + operand.offset
    low = first + sum(min(end, 0) for end in ends)
    return low, first + sum(max(end, 0) for end in ends) + size


def _bytes(operand: Operand) -> int:
    return elements(operand) * BY_CODE[operand.dtype].bytes


def _hbm_bytes(kernel: Kernel) -> tuple[Counter[int], Counter[int]]:
    """By buffer of the kernel: the bytes written, and the bytes read."""
    found: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
    for stream in kernel.streams.values():
        for record in decode(stream):
            transfer = record.instruction
            if not isinstance(transfer, DmaCopy | DmaGather | DmaScatter):
                continue
            size = _bytes(transfer.src if isinstance(transfer, DmaScatter) else transfer.dst)
            for side, end in zip(found, (transfer.dst, transfer.src), strict=True):
                if end.memory is Memory.HBM:
                    side[end.buffer] += size
    for call in kernel.library:
        for side, operands in zip(found, (call.outputs, call.inputs), strict=True):
            for operand in operands:
                side[operand.argument] += _size(operand)
    return found


def _size(operand: LibraryOperand) -> int:
    return prod(operand.shape) * BY_NAME[operand.dtype].bytes
