"""Where the time of a compiled model goes on its target: the timelines of its kernels, added up.

A pure function of the artifact: the same records, queues and waits that `compile` reports on.
Kernels run one after the other, each when the last record of the one before has ended: what decides
which kernel is next, and that all of the one before is done, is the host's program. A loop counts
as often as it is known or assumed to run, and of a branch the costliest counts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from neuronc.artifact.compulsory import calls_of, compulsory_bytes
from neuronc.artifact.model import Artifact, Call, Step, While
from neuronc.hardware import GENERATIONS, Generation
from neuronc.isa.table import DMA_QUEUES, Engine
from neuronc.timeline import DMA_BUSY, Floats, Timeline, simulate

_TOP = 10


@dataclass(frozen=True)
class Placed:
    """One call of a kernel in the run of the program."""

    kernel: int
    start_seconds: float


@dataclass(frozen=True)
class Repeat:
    """The iterations of a loop after its first one."""

    start_seconds: float
    seconds: float
    times: int


@dataclass(frozen=True)
class Profile:
    """One run of a model on its target."""

    target: str
    seconds: float
    calls: tuple[Placed, ...]
    """In order; of a loop, those of its first iteration."""
    repeats: tuple[Repeat, ...]
    counts: Mapping[int, int]
    """How often each kernel is called, all iterations counted."""
    assumed_loops: int
    """Loops that run as often as data says, of which a number was assumed."""
    timelines: Mapping[int, Timeline]
    """By kernel; each from 0."""
    names: Mapping[int, str]
    busy_seconds: dict[str, float]
    """By engine; `dma` is both queues, which share the DMA engines."""
    exposed_dma_seconds: float
    """Transfers run and no compute engine does."""
    critical_by_engine: dict[str, float]
    """Seconds of the chain of records and waits that ends last, by the engine of each record."""
    critical_by_op: dict[str, float]
    busy_by_op: dict[str, float]
    """Seconds of any engine, by StableHLO op and source line."""
    flops: int
    peak_flops: float
    """What the tensor engine could do in `seconds`, in bf16."""
    hbm_moved_bytes: int
    hbm_compulsory_bytes: int
    """Inputs, constants and outputs once; see `artifact/compulsory.py` for updates in place."""
    hbm_peak_bytes: float
    """What HBM could move in `seconds`."""

    @property
    def mfu(self) -> float:
        """Model FLOPs utilisation: of the bf16 peak, whatever the type."""
        return self.flops / self.peak_flops if self.peak_flops else 0.0

    @property
    def mbu(self) -> float:
        """Memory bandwidth utilisation: of the core's share of HBM."""
        return self.hbm_moved_bytes / self.hbm_peak_bytes if self.hbm_peak_bytes else 0.0

    def kernels(self) -> dict[str, dict[str, float]]:
        """By kernel, the longest in all first: calls, and seconds of all of them."""
        seconds = {k: n * self.timelines[k].seconds for k, n in self.counts.items()}
        order = sorted(seconds, key=lambda k: (-seconds[k], k))
        return {self.names[k]: {"calls": self.counts[k], "seconds": seconds[k]} for k in order}

    def to_dict(self) -> dict[str, object]:
        """As JSON holds it."""
        return {
            "target": self.target,
            "seconds": self.seconds,
            "calls": sum(self.counts.values()),
            "assumed_loops": self.assumed_loops,
            "kernels": self.kernels(),
            "busy_seconds": self.busy_seconds,
            "mfu": self.mfu,
            "mbu": self.mbu,
            "flops": self.flops,
            "exposed_dma_seconds": self.exposed_dma_seconds,
            "hbm_moved_bytes": self.hbm_moved_bytes,
            "hbm_compulsory_bytes": self.hbm_compulsory_bytes,
            "critical_by_engine": self.critical_by_engine,
            "critical_by_op": top(self.critical_by_op),
            "busy_by_op": top(self.busy_by_op),
        }


def top(seconds: Mapping[str, float], count: int = _TOP) -> dict[str, float]:
    """The largest, largest first."""
    order = sorted(seconds.items(), key=lambda item: (-item[1], item[0]))
    return dict(order[:count])


def profile_of(artifact: Artifact, ramp: bool = False, trips: int = 1) -> Profile:
    """Time every kernel that the program calls, and add up its calls.

    `ramp` lets the tensor engine start at half rate after it has idled; `trips` is how often loops
    run where the artifact does not say.
    """
    hw = GENERATIONS[artifact.target]
    timelines: dict[int, Timeline] = {}
    for kernel in dict.fromkeys(call.kernel for call in calls_of(artifact.program)):
        timelines[kernel] = simulate(artifact.kernels[kernel].streams, hw, ramp)
    run = _Run(timelines, trips)
    run.place(artifact.program)
    counts = dict(run.counts)
    sums = _Sums()
    for kernel, count in counts.items():
        sums.add(artifact, kernel, timelines[kernel], count)
    return Profile(
        target=artifact.target,
        seconds=run.now,
        calls=tuple(run.calls),
        repeats=tuple(run.repeats),
        counts=counts,
        assumed_loops=run.assumed,
        timelines=timelines,
        names={kernel: artifact.kernels[kernel].name for kernel in timelines},
        busy_seconds=dict(sorted(sums.busy.items())),
        exposed_dma_seconds=sums.exposed_dma,
        critical_by_engine=top(sums.critical_by_engine, len(sums.critical_by_engine)),
        critical_by_op=dict(sums.critical_by_op),
        busy_by_op=dict(sums.busy_by_op),
        flops=sum(artifact.kernels[k].flops * n for k, n in counts.items()),
        peak_flops=peak_flops_per_second(hw) * run.now,
        hbm_moved_bytes=sum(artifact.kernels[k].hbm_bytes * n for k, n in counts.items()),
        hbm_compulsory_bytes=compulsory_bytes(artifact, trips),
        hbm_peak_bytes=hw.hbm_bytes_per_second * run.now,
    )


@dataclass
class _Run:
    """A run of the program as far as it has come."""

    timelines: Mapping[int, Timeline]
    trips: int
    now: float = 0.0
    calls: list[Placed] = field(default_factory=list[Placed])
    repeats: list[Repeat] = field(default_factory=list[Repeat])
    counts: Counter[int] = field(default_factory=Counter[int])
    assumed: int = 0

    def place(self, steps: Sequence[Step]) -> None:
        """Run steps one after the other."""
        for step in steps:
            if isinstance(step, Call):
                self.calls.append(Placed(step.kernel, self.now))
                self.counts[step.kernel] += 1
                self.now += self.timelines[step.kernel].seconds
            elif isinstance(step, While):
                self._loop(step)
            else:
                branches = [self._fork() for _ in step.branches]
                for branch, inside in zip(branches, step.branches, strict=True):
                    branch.place(inside)
                if branches:
                    self._join(max(branches, key=lambda branch: branch.now), self.now)

    def _loop(self, loop: While) -> None:
        """The condition and the body once in full; then how long the other iterations take."""
        trips = self.trips if loop.trips is None else loop.trips
        self.assumed += loop.trips is None
        begin, first = self.now, self._fork()
        first.place((*loop.condition, *loop.body) if trips else ())
        last = self._fork()
        last.place(loop.condition)
        again = first.now - begin
        self._join(first, begin)
        for kernel, count in first.counts.items():
            self.counts[kernel] += count * max(trips - 1, 0)
        if trips > 1:
            self.repeats.append(Repeat(self.now, (trips - 1) * again, trips - 1))
            self.now += (trips - 1) * again
        self._join(last, begin)

    def _fork(self) -> _Run:
        """A run that goes on from here by itself."""
        return _Run(self.timelines, self.trips, self.now)

    def _join(self, part: _Run, begin: float) -> None:
        """Go on after what ran from `begin` on, which now runs from here."""
        shift = self.now - begin
        self.calls += [Placed(c.kernel, c.start_seconds + shift) for c in part.calls]
        self.repeats += [Repeat(r.start_seconds + shift, r.seconds, r.times) for r in part.repeats]
        self.counts += part.counts
        self.assumed += part.assumed
        self.now += part.now - begin


def _seconds_by_name() -> defaultdict[str, float]:
    return defaultdict(float)


@dataclass
class _Sums:
    """Seconds of all calls, by what a profile shows them by."""

    busy: defaultdict[str, float] = field(default_factory=_seconds_by_name)
    busy_by_op: defaultdict[str, float] = field(default_factory=_seconds_by_name)
    critical_by_engine: defaultdict[str, float] = field(default_factory=_seconds_by_name)
    critical_by_op: defaultdict[str, float] = field(default_factory=_seconds_by_name)
    exposed_dma: float = 0.0

    def add(self, artifact: Artifact, kernel: int, line: Timeline, count: int) -> None:
        """Add `count` calls of a kernel."""
        names = _names(artifact, kernel)
        _add(self.busy, _busy(line), count)
        self.exposed_dma += count * exposed_dma(line)
        for engine, track in line.tracks.items():
            _add_by_name(self.busy_by_op, names[engine], artifact, track.busy * count)
        for engine, seconds in critical_path(line).items():
            self.critical_by_engine[engine.name.lower()] += count * float(seconds.sum())
            _add_by_name(self.critical_by_op, names[engine], artifact, seconds * count)


def peak_flops_per_second(hw: Generation) -> float:
    """Of the tensor engine in bf16: two a cell of the array and cycle."""
    return 2.0 * hw.partitions * hw.stationary_columns_max * hw.tensor_hz


def exposed_dma(line: Timeline) -> float:
    """Seconds while the DMA engines move something and no compute engine works."""
    compute = [(t.start, t.stop) for e, t in line.tracks.items() if e not in DMA_QUEUES]
    moving = [(t.start, t.start + t.busy) for e, t in line.tracks.items() if e in DMA_QUEUES]
    return _covered([*compute, *moving]) - _covered(compute)


def critical_path(line: Timeline) -> dict[Engine, Floats]:
    """Per record, how much of the kernel's time it is to blame for; the sum is all of it.

    Walks back from the record that ends last: to the record that each waited for, else to the one
    before it in its queue or, among transfers, on the DMA engines.
    """
    blame = {engine: np.zeros(len(track.start)) for engine, track in line.tracks.items()}
    if not blame:
        return blame
    engine = max(line.tracks, key=lambda e: float(line.tracks[e].stop[-1]))
    position = len(blame[engine]) - 1
    stops = {e: t.stop.tolist() for e, t in line.tracks.items()}
    causes = {e: t.cause.tolist() for e, t in line.tracks.items()}
    awaited = {e: t.awaited.tolist() for e, t in line.tracks.items()}
    before = _transfers_before(line)
    while True:
        stop, cause = stops[engine][position], causes[engine][position]
        at = engine, position
        if cause >= 0:
            engine, position = Engine(cause), awaited[engine][position]
        elif cause == DMA_BUSY and at in before:
            engine, position = before[at]
        else:
            position -= 1
        blame[at[0]][at[1]] = stop - (stops[engine][position] if position >= 0 else 0.0)
        if position < 0:
            return blame


def _transfers_before(line: Timeline) -> dict[tuple[Engine, int], tuple[Engine, int]]:
    """The transfer that the DMA engines did before each one."""
    queues = [(e, line.tracks[e].start) for e in DMA_QUEUES if e in line.tracks]
    order = sorted(
        (start, engine, i) for engine, starts in queues for i, start in enumerate(starts.tolist())
    )
    each = [(engine, i) for _, engine, i in order]
    return dict(zip(each[1:], each[:-1], strict=True))


def _covered(spans: Sequence[tuple[Floats, Floats]]) -> float:
    """Length of the union of half-open intervals."""
    if not spans:
        return 0.0
    starts, stops = (np.concatenate([span[i] for span in spans]) for i in range(2))
    order = np.argsort(starts, kind="stable")
    starts, stops = starts[order], np.maximum.accumulate(stops[order])
    reached = np.concatenate([[0.0], stops[:-1]])
    return float(np.maximum(stops - np.maximum(starts, reached), 0).sum())


def _busy(line: Timeline) -> dict[str, float]:
    out = defaultdict[str, float](float)
    for engine, track in line.tracks.items():
        out["dma" if engine in DMA_QUEUES else engine.name.lower()] += float(track.busy.sum())
    return dict(out)


def _add(total: dict[str, float], part: Mapping[str, float], count: int) -> None:
    for name, seconds in part.items():
        total[name] += seconds * count


def _names(artifact: Artifact, kernel: int) -> dict[Engine, NDArray[np.int64]]:
    """Per record, its entry of the debug map."""
    streams = artifact.kernels[kernel].streams
    return {engine: stream["source"].astype(np.int64) for engine, stream in streams.items()}


def op_name(artifact: Artifact, source: int) -> str:
    """The StableHLO op and the user's line of an entry of the debug map."""
    line, op = artifact.sources[source] if source < len(artifact.sources) else ("", "")
    return " ".join(word for word in (op, line) if word) or "unknown"


def _add_by_name(
    total: dict[str, float], sources: NDArray[np.int64], artifact: Artifact, seconds: Floats
) -> None:
    sums = np.bincount(sources, weights=seconds)
    for source in np.flatnonzero(sums).tolist():
        total[op_name(artifact, source)] += float(sums[source])
