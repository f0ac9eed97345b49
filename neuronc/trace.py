"""A profile as a trace for Perfetto or chrome://tracing (the Trace Event Format, JSON).

One process for the chip, one thread for each engine and DMA queue and one for the calls. A slice is
a record: its op and source line, bytes, FLOPs, what it waited for. Arrows lead from the record that
was waited for, as long as there are not too many. Of a loop the first iteration is shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from neuronc.artifact.model import Artifact
from neuronc.artifact.output import new_file
from neuronc.isa.instructions import MatMul
from neuronc.isa.operands import columns
from neuronc.isa.prices import dma_bytes
from neuronc.isa.records import rows_of
from neuronc.isa.table import DMA_QUEUES, ENGINES, INSTRUCTIONS, Engine
from neuronc.profile import Profile
from neuronc.timeline.latencies import Floats
from neuronc.timeline.queues import DMA_BUSY, QUEUE, Track

FLOWS_MAX = 20_000
"""Arrows of one call; with more, viewers slow down. The slices say what they waited for anyway."""
_CALLS = len(ENGINES)
_CAUSES = {
    **{int(engine): f"{engine.name.lower()} " for engine in ENGINES},
    QUEUE: "its queue",
    DMA_BUSY: "the DMA engines",
}
_PART = 1024
_MICRO = 1e6


def write_trace(artifact: Artifact, profile: Profile, path: str | PathLike[str]) -> None:
    """Write the trace, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    with new_file(path) as file:
        file.write(b'{"displayTimeUnit":"ns","traceEvents":[\n')
        first = True
        for event in events(artifact, profile):
            file.write((event if first else ",\n" + event).encode())
            first = False
        file.write(b"\n]}\n")


def events(artifact: Artifact, profile: Profile) -> Iterator[str]:
    """Each event as JSON, some of them several at once."""
    yield _metadata("process_name", 0, f"{artifact.target} core")
    yield _metadata("thread_name", _CALLS, "kernels")
    for engine in ENGINES:
        yield _metadata("thread_name", engine, engine.name.lower())
    tracks = {
        kernel: [_Slices.of(artifact, kernel, e, t) for e, t in line.tracks.items()]
        for kernel, line in profile.timelines.items()
    }
    for repeat in profile.repeats:
        name = json.dumps(f"{repeat.times} more iterations")
        yield _slice(_CALLS, name, repeat.start_seconds, repeat.seconds)
    flow = 0
    for call in profile.calls:
        start, line = call.start_seconds, profile.timelines[call.kernel]
        name = json.dumps(artifact.kernels[call.kernel].name)
        called = f',"args":{{"calls":{profile.counts[call.kernel]}}}'
        yield _slice(_CALLS, name, start, line.seconds, called)
        waiting = sum(int((track.cause >= 0).sum()) for track in line.tracks.values())
        for slices in tracks[call.kernel]:
            yield from slices.at(start)
        if waiting <= FLOWS_MAX:
            for engine, track in line.tracks.items():
                arrows = list(_flows(engine, track, line.tracks, start, flow))
                flow += len(arrows) // 2
                yield from arrows


@dataclass(frozen=True)
class _Slices:
    """The slices of one engine and kernel, all but when they start."""

    starts: Floats
    """Per record, microseconds from the start of the kernel."""
    templates: list[str]
    """JSON of _PART records each, in which `%.4f` is where a start goes."""

    @staticmethod
    def of(artifact: Artifact, kernel: int, engine: Engine, track: Track) -> _Slices:
        """Describe the records of a stream."""
        stream = artifact.kernels[kernel].streams[engine]
        columns = (stream["opcode"], stream["source"], _work(stream, engine), track.busy * _MICRO)
        # Few records differ in these, and text costs more than to look it up.
        heads = map(cache(partial(_head, artifact, engine)), *(c.tolist() for c in columns))
        waits = (heads, track.cause.tolist(), (track.awaited + 1).tolist())
        texts = [
            f'{head}"record":{number},"waited_for":"{_CAUSES[cause]}{awaited or ""}"}},"ts":%.4f}}'
            for number, (head, cause, awaited) in enumerate(zip(*waits, strict=True), 1)
        ]
        parts = [",\n".join(texts[at : at + _PART]) for at in range(0, len(texts), _PART)]
        return _Slices(track.start * _MICRO, parts)

    def at(self, start_seconds: float) -> Iterator[str]:
        """The slices of a call that starts then."""
        starts = start_seconds * _MICRO + self.starts
        for number, template in enumerate(self.templates):
            first = number * _PART
            yield template % tuple(starts[first : first + _PART].tolist())


def _head(
    artifact: Artifact, engine: Engine, opcode: int, source: int, work: int, span: float
) -> str:
    """A slice's JSON up to its record's number, as a part of a template."""
    amount = "bytes" if engine in DMA_QUEUES else "flops"
    done = f'"{amount}":{work},' if work else ""
    text = (
        f'{{"ph":"X","pid":0,"tid":{int(engine)},"cat":"{engine.name.lower()}",'
        f'"name":"{INSTRUCTIONS[opcode].__name__}","dur":{span:.4f},'
        f'"args":{{{_op(artifact, source)}{done}'
    )
    return text.replace("%", "%%")


def _op(artifact: Artifact, source: int) -> str:
    line, op = artifact.sources[source] if source < len(artifact.sources) else ("", "")
    return f'"op":{json.dumps(op)},"line":{json.dumps(line)},' if op or line else ""


def _work(stream: np.ndarray, engine: Engine) -> NDArray[np.int64]:
    """Bytes of each transfer, FLOPs of each matmul."""
    out = np.zeros(len(stream), np.int64)
    for opcode in np.unique(stream["opcode"]).tolist():
        cls, select = INSTRUCTIONS[opcode], np.flatnonzero(stream["opcode"] == opcode)
        rows = rows_of(stream, cls, select)
        if engine in DMA_QUEUES:
            out[select] = np.maximum(dma_bytes(rows["dst"]), dma_bytes(rows["src"]))
        elif cls is MatMul:
            m, n = columns(rows["stationary"]), columns(rows["moving"])
            out[select] = 2 * m * n * rows["moving"]["partitions"].astype(np.int64)
    return out


def _flows(
    engine: Engine, track: Track, tracks: Mapping[Engine, Track], start: float, flow: int
) -> Iterator[str]:
    """An arrow from the end of each awaited record to the start of the one that waited."""
    for number in np.flatnonzero(track.cause >= 0).tolist():
        other, record = Engine(int(track.cause[number])), int(track.awaited[number])
        source = tracks[other]
        length = source.busy[record] if other in DMA_QUEUES else 0.0
        end = float(source.start[record] + length if length else source.stop[record])
        for phase, lane, at in (("s", other, end), ("f", engine, float(track.start[number]))):
            binding = ',"bp":"e"' if phase == "f" else ""
            yield (
                f'{{"ph":"{phase}","pid":0,"tid":{int(lane)},"cat":"wait","name":"wait",'
                f'"id":{flow}{binding},"ts":{(start + at) * _MICRO:.4f}}}'
            )
        flow += 1


def _slice(lane: int, name: str, start: float, seconds: float, more: str = "") -> str:
    times = f'"ts":{start * _MICRO:.4f},"dur":{seconds * _MICRO:.4f}'
    return f'{{"ph":"X","pid":0,"tid":{lane},"cat":"kernel","name":{name},{times}{more}}}'


def _metadata(kind: str, lane: int, name: str) -> str:
    record = {"ph": "M", "pid": 0, "tid": lane, "name": kind, "args": {"name": name}}
    return json.dumps(record, separators=(",", ":"))
