"""The records of all kernels: each is legal, and stays inside what it may reach.

All kernels' streams of one engine are checked at once, since there are many small ones. Records
address buffers relative to those of a call, so a kernel says how many bytes each must have, once,
and each call is checked against that. The rows that a gather or scatter picks depend on data; the
executor checks those.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuronc.artifact.codec import DAMAGED
from neuronc.artifact.constants import nbytes
from neuronc.artifact.model import Kernel
from neuronc.dtypes import BY_CODE
from neuronc.errors import ArtifactError
from neuronc.hardware import Generation
from neuronc.isa.instructions import Library
from neuronc.isa.operands import Memory
from neuronc.isa.records import rows_of, stream_dtype, verify
from neuronc.isa.table import ENGINES, INSTRUCTIONS, Engine

BUFFERS_MAX = 1 << 16
"""An operand names its buffer in 16 bits."""

_ELEMENT_BYTES = np.array([BY_CODE[c].bytes if c in BY_CODE else 1 for c in range(256)], np.int64)


@dataclass(frozen=True)
class _Batch:
    """The streams of one engine, one kernel's after the other."""

    engine: Engine
    stream: np.ndarray
    kernels: Sequence[Kernel]
    owner: NDArray[np.int64]
    """Per record, which kernel it is of."""
    where: str

    def check(self, holds: NDArray[np.bool_], problem: str, at: NDArray[np.intp]) -> None:
        """Fail for the first of the records `at` where something does not hold."""
        if not holds.all():
            record = int(at[int(np.argmin(holds))])
            kernel = int(self.owner[record])
            position = record - int(np.searchsorted(self.owner, kernel))
            where = place(self.where, self.kernels[kernel], self.engine)
            raise ArtifactError(f"{where}[{position}]", problem, DAMAGED, code="NRC-0410")


@dataclass(frozen=True)
class _Access:
    """One operand in HBM of each of the records `at`."""

    words: np.ndarray
    at: NDArray[np.intp]
    written: bool


def buffer_key(kernel: int, argument: int) -> int:
    """One number for a buffer of a kernel."""
    return kernel * BUFFERS_MAX + argument


def place(where: str, kernel: Kernel, engine: Engine) -> str:
    """How messages call a stream."""
    return f"{where}: kernel {kernel.name}: {engine.name.lower()}"


def check_streams(
    kernels: Sequence[Kernel], sources: int, hw: Generation, where: str
) -> dict[int, int]:
    """Check all records; the least bytes of each buffer that is used, by `buffer_key`.

    Raises:
        ArtifactError: naming the first record that breaks a rule.
    """
    needs: dict[int, int] = {}
    for batch in _batches(kernels, where):
        _check_legal(batch, hw)
        _check_references(batch, sources)
        for access in _accesses(batch):
            _check_access(batch, access, needs)
    for number, kernel in enumerate(kernels):
        for call in kernel.library:
            for operand in (*call.inputs, *call.outputs):
                key = buffer_key(number, operand.argument)
                needs[key] = max(needs.get(key, 0), nbytes(operand.shape, operand.dtype))
    return needs


def _batches(kernels: Sequence[Kernel], where: str) -> Iterator[_Batch]:
    for engine in ENGINES:
        numbers = [i for i, kernel in enumerate(kernels) if engine in kernel.streams]
        if numbers:
            streams = [kernels[i].streams[engine] for i in numbers]
            owner = np.repeat(np.array(numbers, np.int64), [len(s) for s in streams])
            # As bytes, since NumPy drops what a record's dtype does not name when it joins them.
            raw = np.concatenate([np.ascontiguousarray(s).view(np.uint8) for s in streams])
            yield _Batch(engine, raw.view(stream_dtype(engine)), kernels, owner, where)


def _check_legal(batch: _Batch, hw: Generation) -> None:
    """All at once; and if that fails, kernel by kernel, to say where."""
    try:
        verify(batch.stream, batch.engine, batch.where, hw, BUFFERS_MAX)
    except ArtifactError:
        for kernel in batch.kernels:
            if batch.engine in kernel.streams:
                where = place(batch.where, kernel, batch.engine)
                verify(kernel.streams[batch.engine], batch.engine, where, hw, kernel.buffers)
        raise


def _check_references(batch: _Batch, sources: int) -> None:
    """Records wait for counts that are reached, and name entries of the tables."""
    stream, everything = batch.stream, np.arange(len(batch.stream))
    lengths = np.array([[len(k.streams.get(e, ())) for e in ENGINES] for k in batch.kernels])
    reached = (stream["waits"] > lengths[batch.owner]).sum(axis=1) == 0
    batch.check(reached, "waits for more records than a stream has", everything)
    # Without a debug map, records name entry 0.
    known = stream["source"] < max(sources, 1)
    batch.check(known, "names no entry of the debug map", everything)
    select = np.flatnonzero(stream["opcode"] == Library.opcode)
    entries = np.array([len(kernel.library) for kernel in batch.kernels])[batch.owner[select]]
    inside = rows_of(stream, Library, select)["call"] < entries
    batch.check(inside, "names no entry of the library table", select)


def _accesses(batch: _Batch) -> Iterator[_Access]:
    opcodes = batch.stream["opcode"]
    for opcode in np.unique(opcodes).tolist():
        cls = INSTRUCTIONS[opcode]
        slots = {n: s for n, s in cls.slots.items() if Memory.HBM in s.memories}
        select = np.flatnonzero(opcodes == opcode)
        rows = rows_of(batch.stream, cls, select) if slots else batch.stream[:0]
        for name, slot in slots.items():
            hbm = rows[name]["memory"] == Memory.HBM
            yield _Access(rows[name][hbm], select[hbm], slot.written)


def _check_access(batch: _Batch, access: _Access, needs: dict[int, int]) -> None:
    """Every access is of a buffer that is there and, if written, may be; note how far it goes."""
    buffers = np.array([kernel.buffers for kernel in batch.kernels])
    numbers, owner = access.words["buffer"], batch.owner[access.at]
    batch.check(numbers < buffers[owner], "names no buffer of the kernel", access.at)
    keys = owner * BUFFERS_MAX + numbers
    if access.written:
        pairs = enumerate(batch.kernels)
        writable = [buffer_key(i, w) for i, kernel in pairs for w in kernel.written]
        legal = np.isin(keys, writable)
        batch.check(legal, "writes a buffer that the kernel only reads", access.at)
    low, high = _extent(access.words)
    batch.check(low >= 0, "reaches before the start of its buffer", access.at)
    used, inverse = np.unique(keys, return_inverse=True)
    most = np.zeros(len(used))
    np.maximum.at(most, inverse, high)
    for key, size in zip(used.tolist(), most.tolist(), strict=True):
        needs[key] = max(needs.get(key, 0), int(size))


def _extent(words: np.ndarray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First byte and end of each access; in float64, which hostile sizes cannot overflow."""
    size = _ELEMENT_BYTES[words["dtype"]].astype(np.float64)
    span = (words["counts"].astype(np.float64) - 1) * words["steps"]
    start = words["offset"].astype(np.float64)
    low = start + np.minimum(span, 0).sum(1) * size
    return low, start + (np.maximum(span, 0).sum(1) + 1) * size
