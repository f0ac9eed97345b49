"""What a run has to move through HBM at least: inputs, constants and outputs once.

An input that is updated in place counts twice, as far as it is written: a weight of a training
step is read and its successor written, but of a cache only the rows that change are. In a loop it
is written as often as the loop runs, as far as that is known: the bytes moved count the same.
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


def compulsory_bytes(artifact: Artifact, trips: int = 1) -> int:
    """Add up what is read and written once; `trips` is how often loops run that do not say it."""
    parts = footprint(artifact.buffers, artifact.temporary_bytes)
    given = parts.input_bytes + parts.constant_bytes + parts.output_bytes
    return given + sum(_updated(artifact, trips).values())


def _updated(artifact: Artifact, trips: int) -> dict[int, int]:
    """By input that calls write to: the bytes that they write, at most all of it."""
    written: Counter[int] = Counter()
    known: dict[int, Counter[int]] = {}
    sizes = {b.index: b.bytes for b in artifact.buffers if b.kind is BufferKind.INPUT}
    for call, times in counted_calls(artifact.program, trips):
        kernel = artifact.kernels[call.kernel]
        for i in kernel.written:
            buffer = artifact.buffers[call.buffers[i]]
            if buffer.kind is BufferKind.INPUT:
                known.setdefault(call.kernel, _written(kernel))
                written[buffer.index] += times * known[call.kernel][i]
    return {number: min(size, sizes[number]) for number, size in written.items()}


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


def _written(kernel: Kernel) -> Counter[int]:
    """Bytes that a kernel writes to each of its buffers."""
    found: Counter[int] = Counter()
    for stream in kernel.streams.values():
        for cls in (DmaCopy, DmaGather, DmaScatter):
            rows = rows_of(stream, cls, np.flatnonzero(stream["opcode"] == cls.opcode))
            size = np.maximum(dma_bytes(rows["dst"]), dma_bytes(rows["src"]))
            stores = rows["dst"]["memory"] == Memory.HBM
            sums = np.bincount(rows["dst"]["buffer"][stores], weights=size[stores])
            found.update({i: int(sums[i]) for i in np.flatnonzero(sums).tolist()})
    for call in kernel.library:
        for operand in call.outputs:
            found[operand.argument] += prod(operand.shape) * BY_NAME[operand.dtype].bytes
    return found
