"""How long each record occupies its engine, and what it waits for in its own queue.

A record's own price is of its class (`isa/instructions.py`). Beside it, all from `hardware.py`:

- a record that another engine waits for, or that the next of its own engine reads, is seen some
  cycles after its last element;
- an activation whose tables are not loaded loads them as soon as the scalar engine is free.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuronc.hardware import Generation
from neuronc.isa.instructions import Activation
from neuronc.isa.operands import Memory
from neuronc.isa.prices import element_bytes, table_sets
from neuronc.isa.records import rows_of
from neuronc.isa.table import DMA_QUEUES, INSTRUCTIONS, Engine

Floats = NDArray[np.float64]
_LOOK_BACK = 3
"""How far back a record is compared with those of its engine that it may read from."""


def prices(stream: np.ndarray, engine: Engine, hw: Generation) -> Floats:
    """How long each record of a stream occupies its engine, in seconds."""
    out = np.zeros(len(stream))
    for opcode in np.unique(stream["opcode"]).tolist():
        cls = INSTRUCTIONS[opcode]
        select = np.flatnonzero(stream["opcode"] == opcode)
        out[select] = cls.seconds(rows_of(stream, cls, select), engine, hw)
    return out


def latency(engine: Engine, hw: Generation) -> float:
    """From a record's end until a record that waits for it may start."""
    return {
        Engine.TENSOR: hw.fixed_overhead_cycles / hw.tensor_hz,
        Engine.VECTOR: hw.fixed_overhead_cycles / hw.vector_hz,
        Engine.SCALAR: hw.scalar_overhead_cycles / hw.scalar_hz,
        Engine.GPSIMD: hw.fixed_overhead_cycles / hw.gpsimd_hz,
        Engine.DMA_IN: hw.dma_done_seconds,
        Engine.DMA_OUT: hw.dma_done_seconds,
    }[engine]


def delays(engine: Engine, stream: np.ndarray, spans: Floats, hw: Generation) -> Floats:
    """Seconds that each record adds after the one before it: for a result, and for its tables."""
    return _pauses(engine, stream, spans, hw) + _loads(engine, stream, hw)


def _loads(engine: Engine, stream: np.ndarray, hw: Generation) -> Floats:
    """Seconds to load tables before each record."""
    out = np.zeros(len(stream))
    select = np.flatnonzero(stream["opcode"] == Activation.opcode)
    if engine is not Engine.SCALAR or not len(select):
        return out
    sets = table_sets(rows_of(stream, Activation, select)["function"])
    select, sets = select[sets > 0], sets[sets > 0]
    out[select[np.diff(sets, prepend=0) != 0]] = hw.activation_table_seconds
    return out


def _pauses(engine: Engine, stream: np.ndarray, spans: Floats, hw: Generation) -> Floats:
    """Seconds that each record waits for one of its own engine whose result it reads.

    The tensor engine reads what other engines write, and accumulates without pausing.
    """
    out = np.zeros(len(stream))
    if engine in DMA_QUEUES or engine is Engine.TENSOR:
        return out
    reads, writes = _extents(stream)
    since = np.zeros(len(stream))
    for back in range(1, min(_LOOK_BACK, len(stream) - 1) + 1):
        depends = np.zeros(len(stream) - back, np.bool_)
        for read in reads:
            for write in writes:
                depends |= _overlap(read[back:], write[:-back])
        pause = np.where(depends, latency(engine, hw) - since[back:], 0.0)
        out[back:] = np.maximum(out[back:], pause)
        since[back:] += spans[1 : len(spans) - back + 1][: len(since) - back]
    return out


def _extents(stream: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """For each operand slot, what records read and write: [record, (memory, first, end)] bytes."""
    kinds = [INSTRUCTIONS[code] for code in np.unique(stream["opcode"]).tolist()]
    slots = range(max((len(cls.slots) for cls in kinds), default=0))
    reads, writes = ([np.zeros((len(stream), 3), np.int64) for _ in slots] for _ in range(2))
    for cls in kinds:
        select = np.flatnonzero(stream["opcode"] == cls.opcode)
        rows = rows_of(stream, cls, select)
        for i, (name, slot) in enumerate(cls.slots.items()):
            (writes if slot.written else reads)[i][select] = _extent(rows[name])
    return reads, writes


def _extent(words: np.ndarray) -> np.ndarray:
    """[record, (memory, first, end)]: the bytes of a partition that each operand on chip spans."""
    size = element_bytes(words)
    span = (words["counts"].astype(np.int64) - 1) * words["steps"]
    first = words["tile_start"] + words["offset"]
    low = first + np.minimum(span, 0).sum(axis=1) * size
    high = first + (np.maximum(span, 0).sum(axis=1) + 1) * size
    chip = (words["memory"] == Memory.SBUF) | (words["memory"] == Memory.PSUM)
    return np.stack([np.where(chip, words["memory"], 0), low, high], axis=1)


def _overlap(read: np.ndarray, write: np.ndarray) -> NDArray[np.bool_]:
    """Whether two records touch the same bytes of a partition."""
    same = (read[:, 0] == write[:, 0]) & (read[:, 0] > 0)
    return same & (read[:, 1] < write[:, 2]) & (write[:, 1] < read[:, 2])
