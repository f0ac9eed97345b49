"""Time a kernel's streams on the target: the instructions themselves, priced by the table.

An instruction starts when its engine is free and its waits are met; an engine that waits for
another also sees that one's fixed latency. All DMA queues share the core's DMA bandwidth, which
the price of a transfer already assumes whole, so transfers do not overlap each other.
"""

from __future__ import annotations

import numpy as np

from neuronc.hardware import Generation
from neuronc.isa.records import rows_of
from neuronc.isa.table import DMA_QUEUES, ENGINES, INSTRUCTIONS, Engine


def seconds_of(stream: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
    """How long each record of a stream occupies its engine."""
    out = np.zeros(len(stream))
    for opcode in np.unique(stream["opcode"]).tolist():
        cls = INSTRUCTIONS[opcode]
        select = np.flatnonzero(stream["opcode"] == opcode)
        out[select] = cls.seconds(rows_of(stream, cls, select), engine, hw)
    return out


def latency_of(engine: Engine, hw: Generation) -> float:
    """From an instruction's end until another engine may see it."""
    if engine in DMA_QUEUES:
        return hw.dma_start_seconds
    hz = {
        Engine.TENSOR: hw.tensor_hz,
        Engine.VECTOR: hw.vector_hz,
        Engine.SCALAR: hw.scalar_hz,
        Engine.GPSIMD: hw.gpsimd_hz,
    }[engine]
    return hw.fixed_overhead_cycles / hz


def kernel_seconds(streams: dict[Engine, np.ndarray], order: np.ndarray, hw: Generation) -> float:
    """Time from the first start to the last end of one kernel.

    `order` names the engine of each record in a legal order.
    """
    spans = {e: seconds_of(s, e, hw).tolist() for e, s in streams.items()}
    waits: dict[Engine, list[list[int]]] = {e: s["waits"].tolist() for e, s in streams.items()}
    latency = [latency_of(e, hw) for e in ENGINES]
    done: list[list[float]] = [[0.0] for _ in ENGINES]
    dma_free = 0.0
    numbers: list[int] = order.tolist()
    for number in numbers:
        engine = ENGINES[number]
        position = len(done[number]) - 1
        start = done[number][-1]
        for other, count in enumerate(waits[engine][position]):
            if count:
                start = max(start, done[other][count] + latency[other])
        if engine in DMA_QUEUES:
            start = max(start, dma_free)
            dma_free = start + spans[engine][position]
        done[number].append(start + spans[engine][position])
    return max(times[-1] for times in done)
