"""What a run has to move through HBM at least: inputs, constants and outputs once.

An input that is updated in place counts twice, as far as it is written: a weight of a training
step is read and its successor written, but of a cache only the rows that change are.
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


def compulsory_bytes(artifact: Artifact) -> int:
    """Add up what is read and written once.

    What a loop writes to an input counts as one iteration's, however often it runs: too little
    where each one writes elsewhere.
    """
    parts = footprint(artifact.buffers, artifact.temporary_bytes)
    given = parts.input_bytes + parts.constant_bytes + parts.output_bytes
    return given + sum(_updated(artifact).values())


def _updated(artifact: Artifact) -> dict[int, int]:
    """By input that calls write to: the bytes that they write, at most all of it."""
    written: Counter[int] = Counter()
    known: dict[int, Counter[int]] = {}
    sizes = {b.index: b.bytes for b in artifact.buffers if b.kind is BufferKind.INPUT}
    for call in calls_of(artifact.program):
        kernel = artifact.kernels[call.kernel]
        for i in kernel.written:
            buffer = artifact.buffers[call.buffers[i]]
            if buffer.kind is BufferKind.INPUT:
                known.setdefault(call.kernel, _written(kernel))
                written[buffer.index] += known[call.kernel][i]
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
