"""When each record of a kernel runs on the target: the records themselves, their queues and waits.

A record starts when its engine is free and its waits are met. What takes time beside the records'
own prices (`isa/instructions.py`), all from `hardware.py`:

- a record that another engine waits for, or that the next of its own engine reads, is seen some
  cycles after its last element;
- an activation whose tables are not loaded loads them as soon as the scalar engine is free;
- transfers of both queues share the DMA engines, first come, first served. A transfer begins some
  time after its waits, takes at least the least time of a transfer, and its waiters see the end a
  little later; transfers of one queue begin and end in order, but overlap;
- with `ramp`, the tensor engine runs at half rate after it has idled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from neuronc.errors import ArtifactError
from neuronc.hardware import Generation
from neuronc.isa.instructions import Activation
from neuronc.isa.operands import Memory
from neuronc.isa.prices import element_bytes, table_sets
from neuronc.isa.records import rows_of
from neuronc.isa.table import DMA_QUEUES, ENGINES, INSTRUCTIONS, Engine

Floats = NDArray[np.float64]
Streams = Mapping[Engine, np.ndarray]
QUEUE, DMA_BUSY = -1, -2
"""Why a record started when it did, if not for another record: its own queue, the DMA engines."""
_LOOK_BACK = 3
"""How far back a record is compared with those of its engine that it may read from."""


@dataclass(frozen=True)
class Track:
    """One engine's records in time; arrays have one element a record."""

    start: Floats
    stop: Floats
    busy: Floats
    """Seconds of the engine's own; of a transfer, of the DMA engines."""
    cause: NDArray[np.int64]
    """The engine of the record that this one waited for, or QUEUE or DMA_BUSY."""
    awaited: NDArray[np.int64]
    """Its position in that engine's stream."""


@dataclass(frozen=True)
class Timeline:
    """All engines of one kernel, from its start at 0."""

    tracks: Mapping[Engine, Track]
    seconds: float
    """From the start to the end of the last record."""


def simulate(streams: Streams, hw: Generation, ramp: bool = False) -> Timeline:
    """Let the records run; vectorised between waits, so that half a million take a second.

    Raises:
        ArtifactError: the waits never let some record start.
    """
    lanes = [_lane(e, streams[e], hw, ramp) if e in streams else _Lane(e) for e in ENGINES]
    queues = [lane for lane in lanes if lane.engine in DMA_QUEUES]
    pool = 0.0
    while True:
        moved = True
        while moved:
            moved = any([_run(lane, lanes) for lane in lanes if lane.engine not in DMA_QUEUES])
        ready = [(at, i) for i, lane in enumerate(queues) if (at := _ready(lane, lanes, hw)) >= 0]
        if not ready:
            break
        at, chosen = min(ready)
        pool = _transfer(queues[chosen], at, pool, hw)
    stuck = next((lane for lane in lanes if len(lane.bases) < len(lane.firsts)), None)
    if stuck is not None:
        where = f"{stuck.engine.name.lower()}[{stuck.firsts[len(stuck.bases)]}]"
        hint = "the file was not written by neuronc; compile the model again"
        raise ArtifactError(where, "its waits never let it start", hint, code="NRC-0410")
    tracks = {lane.engine: lane.track() for lane in lanes if lane.firsts}
    seconds = max((float(t.stop.max()) for t in tracks.values()), default=0.0)
    return Timeline(tracks, seconds)


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


@dataclass
class _Lane:
    """An engine's stream while it runs, in segments that begin where a record waits.

    Within a segment records follow each other, so a segment's base alone says when its records
    end: `base + cumulative`.
    """

    engine: Engine
    latency: float = 0.0
    spans: Floats = field(default_factory=lambda: np.zeros(0))
    """Per record, its price."""
    before: list[float] = field(default_factory=list[float])
    """Per segment, seconds that its first record adds after the record before it."""
    cumulative: list[float] = field(default_factory=list[float])
    """Per record, the seconds up to its end if no record waited."""
    firsts: list[int] = field(default_factory=list[int])
    """Per segment, its first record."""
    waits: list[list[tuple[int, int]]] = field(default_factory=list[list[tuple[int, int]]])
    """Per segment, (engine, how many of its records must be done)."""
    segment: list[int] = field(default_factory=list[int])
    """Per record, its segment."""
    ramp_seconds: float = 0.0
    bases: list[float] = field(default_factory=list[float])
    """Per segment that has run."""
    cause: list[int] = field(default_factory=list[int])
    awaited: list[int] = field(default_factory=list[int])
    free: float = 0.0
    begun: float = 0.0
    warm: float = 0.0
    starts: list[float] = field(default_factory=list[float])
    """Per transfer, since those of a queue overlap."""

    def seen(self, count: int) -> float:
        """When others see that `count` records are done; -1 while that is not known."""
        segment = self.segment[count - 1]
        if segment >= len(self.bases):
            return -1.0
        return self.bases[segment] + self.cumulative[count - 1] + self.latency

    def track(self) -> Track:
        """What has happened, as arrays."""
        segment = np.array(self.segment)
        stop = np.array(self.bases)[segment] + np.array(self.cumulative)
        first = np.zeros(len(segment), np.bool_)
        first[self.firsts] = True
        start = np.array(self.starts) if self.starts else stop - self.spans
        cause = np.where(first, np.array(self.cause)[segment], QUEUE)
        awaited = np.where(first, np.array(self.awaited)[segment], -1)
        return Track(start, stop, self.spans, cause, awaited)


def _lane(engine: Engine, stream: np.ndarray, hw: Generation, ramp: bool) -> _Lane:
    spans, waits = prices(stream, engine, hw), stream["waits"]
    ramped = ramp and engine is Engine.TENSOR
    alone = engine in DMA_QUEUES
    begins = (waits > 0).sum(axis=1) > 0 if not (alone or ramped) else np.ones(len(waits), np.bool_)
    begins[0] = True
    firsts = np.flatnonzero(begins)
    before = _pauses(engine, stream, spans, hw) + _loads(engine, stream, hw)
    return _Lane(
        engine=engine,
        latency=latency(engine, hw),
        spans=spans,
        before=before[firsts].tolist(),
        cumulative=[0.0] * len(spans) if alone else np.cumsum(spans + before).tolist(),
        firsts=firsts.tolist(),
        waits=[[(e, n) for e, n in enumerate(w) if n] for w in waits[firsts].tolist()],
        segment=(np.cumsum(begins) - 1).tolist(),
        ramp_seconds=hw.ramp_seconds if ramped else 0.0,
    )


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


def _awaited(waits: list[tuple[int, int]], lanes: list[_Lane]) -> tuple[float, int, int]:
    """When waits are met, and by which record of which engine; -1 while that is not known."""
    latest, by, record = 0.0, QUEUE, -1
    for engine, count in waits:
        seen = lanes[engine].seen(count)
        if seen < 0:
            return -1.0, engine, count
        if seen > latest:
            latest, by, record = seen, engine, count - 1
    return latest, by, record


def _run(lane: _Lane, lanes: list[_Lane]) -> bool:
    """Run a compute engine until it waits for something that has not run; whether it moved."""
    done = at = len(lane.bases)
    while at < len(lane.firsts):
        met, by, record = _awaited(lane.waits[at], lanes)
        if met < 0:
            break
        first = lane.firsts[at]
        last = lane.firsts[at + 1] - 1 if at + 1 < len(lane.firsts) else len(lane.segment) - 1
        free = lane.free + lane.before[at]
        waited = met > free
        start = met if waited else free
        if lane.ramp_seconds:
            start += _ramp(lane, start, float(lane.spans[first]))
        lane.cause.append(by if waited else QUEUE)
        lane.awaited.append(record if waited else -1)
        lane.bases.append(start + float(lane.spans[first]) - lane.cumulative[first])
        lane.free = lane.bases[at] + lane.cumulative[last]
        at += 1
    return at > done


def _ramp(lane: _Lane, start: float, span: float) -> float:
    """Seconds that a record of the tensor engine loses to the ramp.

    The ramp begins again when the engine has idled for half of the window.
    """
    if start - lane.free > lane.ramp_seconds / 2 or not lane.bases:
        lane.warm = 0.0
    lost = min(span, max(lane.ramp_seconds - lane.warm, 0.0) / 2)
    lane.warm += span + lost
    return lost


def _ready(lane: _Lane, lanes: list[_Lane], hw: Generation) -> float:
    """When the next transfer of a queue may begin; -1 if it is not known or there is none."""
    at = len(lane.bases)
    if at == len(lane.firsts):
        return -1.0
    met, by, record = _awaited(lane.waits[at], lanes)
    if met < 0:
        return -1.0
    waited = (met > 0 or at == 0) and met + hw.dma_start_seconds > lane.begun
    if len(lane.cause) == at:
        lane.cause.append(by if waited else QUEUE)
        lane.awaited.append(record if waited else -1)
    return met + hw.dma_start_seconds if waited else lane.begun


def _transfer(lane: _Lane, ready: float, pool: float, hw: Generation) -> float:
    """Run the next transfer of a queue; returns when the DMA engines are free again."""
    at = len(lane.bases)
    start, span = max(ready, pool), float(lane.spans[at])
    if pool > ready:
        lane.cause[at], lane.awaited[at] = DMA_BUSY, -1
    lane.begun = ready
    lane.starts.append(start)
    lane.free = max(lane.free, start + max(span, hw.dma_transfer_min_seconds))
    lane.bases.append(lane.free)
    return start + span
