"""Order each engine's queue: list scheduling over the dependences of a kernel's records.

    load a0; transpose a0; matmul a0; load a1; transpose a1; matmul a1     (program order)
  becomes
    DMA: load a0, load a1      TENSOR: transpose a0, transpose a1, matmul a0, matmul a1

Records in program order are simulated at the table's prices: whenever an engine is free, it takes
the first record in program order that has all it needs. So loads, transposes and matmuls of the
next run of a loop fill the gaps of this one, as far as buffers allow. A load counts as early as
what first reads it. Copies out of PSUM go to the vector or the scalar engine, whichever can start
them first. Equal choices fall to program order, so the result is the same every time.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise

import numpy as np

from neuronc.backend.dependences import dependences
from neuronc.backend.emit import Emitted
from neuronc.dtypes import BY_NAME
from neuronc.hardware import Generation
from neuronc.isa.instructions import Activation, Copy, Library, Transpose
from neuronc.isa.operands import Memory
from neuronc.isa.prices import table_sets
from neuronc.isa.records import rows_of
from neuronc.isa.table import DMA_QUEUES, ENGINES, Engine
from neuronc.timeline.latencies import latency, prices

RECORDS_MAX = 100_000
"""A longer kernel keeps its program order: its loops hide what scheduling would gain."""
LEAD_RECORDS = 128
"""Transposes go this much before what reads them, or they would wait for an idle tensor engine."""
_FLOATS = [BY_NAME[name].code for name in ("f32", "bf16", "f16")]
_SHARED = (Engine.VECTOR, Engine.SCALAR)
_NEVER = float("inf")


def schedule(emitted: Emitted, hw: Generation) -> Emitted:
    """The same records in the order in which engines take them."""
    count = len(emitted.records)
    if count < 2 or count > RECORDS_MAX or (emitted.records["opcode"] == Library.opcode).any():
        return emitted
    order, engines = _Simulation.of(emitted, hw).run()
    return Emitted(emitted.records[order], engines[order], emitted.written[order], emitted.library)


@dataclass
class _Graph:
    """Who must finish before whom: direct dependences, each once."""

    successors: list[list[int]]
    waiting: list[int]
    """How many records each still waits for."""
    first_reader: list[int]
    """The first record that reads what each writes, or itself."""


def _graph(emitted: Emitted) -> _Graph:
    found, count = dependences(emitted), len(emitted.records)
    order = np.argsort(found.earlier, kind="stable")
    later: list[int] = found.later[order].tolist()
    ends = np.cumsum(np.bincount(found.earlier, minlength=count)).tolist()
    successors = [later[a:b] for a, b in pairwise([0, *ends])]
    waiting = np.bincount(found.later, minlength=count)
    return _Graph(successors, waiting.tolist(), found.first_reader.tolist())


@dataclass
class _Simulation:
    """Engines that take records as time goes by."""

    graph: _Graph
    engines: list[int]
    """Engine of each record; -1 where either of the shared ones may take it."""
    seconds: list[list[float]]
    """[engine][record]."""
    latency: list[float]
    tables: list[int]
    """The set of tables that each record needs, or 0."""
    brings: list[bool]
    """Whether a record only brings an operand: a load, a transpose, a copy out of PSUM."""
    hw: Generation

    @staticmethod
    def of(emitted: Emitted, hw: Generation) -> _Simulation:
        """Price all records, the shared ones on both engines."""
        engines = emitted.engines.copy()
        seconds = np.zeros((len(ENGINES), len(engines)))
        shared = _is_shared(emitted)
        for engine in ENGINES:
            rows = np.flatnonzero((engines == engine) | (shared & (engine in _SHARED)))
            if len(rows):
                seconds[engine, rows] = prices(emitted.records[rows], engine, hw)
        engines[shared] = -1
        seen = [latency(engine, hw) for engine in ENGINES]
        sets = np.zeros(len(engines), np.int64)
        select = np.flatnonzero(emitted.records["opcode"] == Activation.opcode)
        if len(select):
            sets[select] = table_sets(rows_of(emitted.records, Activation, select)["function"])
        graph = _graph(emitted)
        brings = shared | (emitted.engines == Engine.DMA_IN)
        brings |= emitted.records["opcode"] == Transpose.opcode
        return _Simulation(
            graph, engines.tolist(), seconds.tolist(), seen, sets.tolist(), brings.tolist(), hw
        )

    def run(self) -> tuple[np.ndarray, np.ndarray]:
        """The order in which records start, and the engine of each record."""
        count = len(self.engines)
        self.ready = [0.0] * count
        self.taken = [False] * count
        self.maker = list(self.engines)
        self.free = [0.0] * len(ENGINES)
        self.loaded = 0
        # Per engine: what waits for its operands, by time, and what has them, by priority.
        self.coming: list[list[tuple[float, int, int]]] = [[] for _ in ENGINES]
        self.here: list[list[tuple[int, int]]] = [[] for _ in ENGINES]
        self.priority = self._priorities()
        self.starts = [_NEVER] * len(ENGINES)
        self.changed = set(range(len(ENGINES)))
        for row, waiting in enumerate(self.graph.waiting):
            if not waiting:
                self._arrive(row)
        order = [self._take() for _ in range(count)]
        return np.array(order), np.array(self.maker)

    def _priorities(self) -> list[int]:
        """Program order; what only brings an operand counts as early as what reads that first."""
        out = list(range(len(self.engines)))
        for row in reversed(out):
            if self.brings[row]:
                out[row] = out[self.graph.first_reader[row]]
        turns = [b and e not in DMA_QUEUES for b, e in zip(self.brings, self.engines, strict=True)]
        return [row - LEAD_RECORDS * turn for row, turn in zip(out, turns, strict=True)]

    def _arrive(self, row: int) -> None:
        engine = self.engines[row]
        begin = self.hw.dma_start_seconds if engine in DMA_QUEUES else 0.0
        entry = (self.ready[row] + begin, self.priority[row], row)
        for queue in _SHARED if engine < 0 else (engine,):
            heappush(self.coming[queue], entry)
            self.changed.add(queue)

    def _take(self) -> int:
        """Start the next record on the engine that can start one first."""
        for engine in self.changed:
            self.starts[engine] = self._start(engine)
        self.changed.clear()
        best = min(self.starts)
        at = self.starts.index(best)
        if at in DMA_QUEUES:
            at = min(DMA_QUEUES, key=lambda queue: self._head_ready(queue, best))
        self._admit(at, best)
        _, row = heappop(self.here[at])
        self._run(row, at, best)
        return row

    def _admit(self, engine: int, now: float) -> None:
        """Move what has its operands by now to where priority counts."""
        coming, here = self.coming[engine], self.here[engine]
        while coming and coming[0][0] <= now:
            _, priority, row = heappop(coming)
            if not self.taken[row]:
                heappush(here, (priority, row))

    def _head_ready(self, queue: int, now: float) -> float:
        """Since when the next transfer of a queue is ready: both share the engines in turn."""
        self._admit(queue, now)
        here = self.here[queue]
        return self.ready[here[0][1]] if here else _NEVER

    def _start(self, engine: int) -> float:
        """When the engine can start its next record."""
        here, coming, free = self.here[engine], self.coming[engine], self.free[engine]
        while here and self.taken[here[0][1]]:
            heappop(here)
        if here:
            return free
        while coming and self.taken[coming[0][2]]:
            heappop(coming)
        return max(free, coming[0][0]) if coming else _NEVER

    def _run(self, row: int, engine: int, start: float) -> None:
        end = start + self.seconds[engine][row]
        self.taken[row], self.maker[row] = True, engine
        # The other engine that might have taken it has another record next.
        self.changed.update(_SHARED if self.engines[row] < 0 else (engine,))
        if engine in DMA_QUEUES:
            # The queues share the DMA engines; the last bytes of a transfer overlap the next one.
            self.free[DMA_QUEUES[0]] = self.free[DMA_QUEUES[1]] = end
            self.changed.update(DMA_QUEUES)
            end = max(end, start + self.hw.dma_transfer_min_seconds)
        else:
            if self.tables[row] not in (0, self.loaded):
                self.loaded = self.tables[row]
                end += self.hw.activation_table_seconds
            self.free[engine] = end
        self._release(row, engine, end)

    def _release(self, row: int, engine: int, end: float) -> None:
        """Let what follows a record see its end."""
        seen = end + self.latency[engine]
        # A queue begins its transfers in order, and does not wait for the end of one.
        mine = 0.0 if engine in DMA_QUEUES else end
        ready, waiting, engines = self.ready, self.graph.waiting, self.engines
        for after in self.graph.successors[row]:
            known = mine if engines[after] == engine else seen
            if known > ready[after]:
                ready[after] = known
            waiting[after] -= 1
            if not waiting[after]:
                self._arrive(after)


def _is_shared(emitted: Emitted) -> np.ndarray:
    """Copies of floats out of PSUM, which the vector and the scalar engine do alike (2.2)."""
    words = emitted.records["operands"]
    floats = np.isin(words["dtype"][:, 0], _FLOATS) & np.isin(words["dtype"][:, 1], _FLOATS)
    drains = (emitted.records["opcode"] == Copy.opcode) & (words["memory"][:, 1] == Memory.PSUM)
    on_either = np.isin(emitted.engines, _SHARED)
    return drains & floats & on_either
