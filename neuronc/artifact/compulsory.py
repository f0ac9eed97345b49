"""What a run has to move through HBM at least: inputs, constants and outputs once.

Of an input or constant as much as is read: of an embedding table only the rows looked up are. One
that is updated in place counts twice, as far as it is written: a weight of a training step is read
and its successor written, but of a cache only the rows that change are. In a loop it is reached as
often as the loop runs, as far as that is known: the bytes moved count the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from neuronc.artifact.footprint import footprint
from neuronc.artifact.model import Artifact, BufferKind, Call, Kernel, Step, While
from neuronc.dtypes import BY_NAME
from neuronc.isa.instructions import DmaCopy, DmaGather, DmaScatter
from neuronc.isa.operands import Memory
from neuronc.isa.prices import dma_bytes
from neuronc.isa.records import rows_of

_GIVEN = (BufferKind.INPUT, BufferKind.CONSTANT)


def compulsory_bytes(artifact: Artifact, trips: int = 1) -> int:
    """Add up what is read and written once; `trips` is how often loops run that do not say it."""
    outputs = footprint(artifact.buffers, artifact.temporary_bytes).output_bytes
    return outputs + _reached(artifact, trips, "src") + _reached(artifact, trips, "dst")


def _reached(artifact: Artifact, trips: int, side: str) -> int:
    """Bytes of what is given that calls read ("src") or write ("dst"), at most all of each."""
    reached: Counter[tuple[BufferKind, int]] = Counter()
    known: dict[int, Counter[int]] = {}
    for call, times in counted_calls(artifact.program, trips):
        if call.kernel not in known:
            known[call.kernel] = _moved(artifact.kernels[call.kernel], side)
        for i, size in known[call.kernel].items():
            buffer = artifact.buffers[call.buffers[i]]
            reached[buffer.kind, buffer.index] += times * size
    sizes = {(b.kind, b.index): b.bytes for b in artifact.buffers if b.kind in _GIVEN}
    return sum(min(size, reached[place]) for place, size in sizes.items())


def calls_of(steps: Sequence[Step]) -> Iterator[Call]:
    """The calls of a program in order; of a branch, those of every way."""
    for step in steps:
        if isinstance(step, Call):
            yield step
            continue
        inner = (step.condition, step.body) if isinstance(step, While) else step.branches
        for region in inner:
            yield from calls_of(region)


def counted_calls(steps: Sequence[Step], trips: int, times: int = 1) -> Iterator[tuple[Call, int]]:
    """The same with how often each runs; what a loop tests, once more than what it does."""
    for step in steps:
        if isinstance(step, Call):
            yield step, times
        elif isinstance(step, While):
            count = trips if step.trips is None else step.trips
            yield from counted_calls(step.condition, trips, times * (count + 1))
            yield from counted_calls(step.body, trips, times * count)
        else:
            for region in step.branches:
                yield from counted_calls(region, trips, times)


def _moved(kernel: Kernel, side: str) -> Counter[int]:
    """Bytes that a kernel reads from each of its buffers ("src"), or writes to it ("dst")."""
    found: Counter[int] = Counter()
    for stream in kernel.streams.values():
        for cls in (DmaCopy, DmaGather, DmaScatter):
            rows = rows_of(stream, cls, np.flatnonzero(stream["opcode"] == cls.opcode))
            size = np.maximum(dma_bytes(rows["dst"]), dma_bytes(rows["src"]))
            in_hbm = rows[side]["memory"] == Memory.HBM
            sums = np.bincount(rows[side]["buffer"][in_hbm], weights=size[in_hbm])
            found.update({i: int(sums[i]) for i in np.flatnonzero(sums).tolist()})
    for call in kernel.library:
        for operand in call.outputs if side == "dst" else call.inputs:
            found[operand.argument] += prod(operand.shape) * BY_NAME[operand.dtype].bytes
    return found
