"""Where the time of a compiled model goes on its target: the timelines of its kernels, added up.

A pure function of the artifact: the same records, queues and waits that `compile` reports on.
Kernels run one after the other (`calls.py`), each when the last record of the one before has ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from neuronc.artifact.compulsory import calls_of, compulsory_bytes
from neuronc.artifact.model import Artifact
from neuronc.calls import Placed, Repeat, Run
from neuronc.hardware import GENERATIONS, Generation
from neuronc.isa.table import DMA_QUEUES, Engine
from neuronc.timeline.latencies import Floats
from neuronc.timeline.simulate import Timeline, simulate
from neuronc.waiting import critical_path, exposed_dma

_TOP = 10


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
    run = Run(timelines, trips)
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
