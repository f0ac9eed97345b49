"""What a compiled model costs on its target: the report that ends a compilation.

Figures are of one run of the program. How often a loop runs is not known before it does, so its
condition and body count once; of a branch, the costliest counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from neuronc.artifact.compulsory import compulsory_bytes
from neuronc.artifact.footprint import Footprint, footprint
from neuronc.artifact.model import Artifact, Call, Kernel, Step, While
from neuronc.hardware import GENERATIONS
from neuronc.isa.instructions import Transpose
from neuronc.isa.table import ENGINES, Engine
from neuronc.units import format_bytes, format_count, format_seconds, format_share


@dataclass(frozen=True)
class Report:
    """What the compiler made, and what the target needs for it."""

    target: str
    kernels: int
    calls: int
    loops: int
    """Loops of the program that run as often as data says, each counted as one iteration."""
    instructions: dict[str, int]
    """Records in the code, by engine."""
    sbuf_bytes: int
    """High-water mark of a partition."""
    sbuf_limit_bytes: int
    psum_bytes: int
    psum_limit_bytes: int
    hbm_moved_bytes: int
    """By DMA, each end in HBM counted."""
    hbm_compulsory_bytes: int
    """Inputs, constants and outputs once; see `artifact/compulsory.py` for updates in place."""
    footprint: Footprint
    hbm_limit_bytes: int
    tensor_flops: int
    transposes: int
    """Blocks that the tensor engine turns because an operand does not lie as a matmul wants it."""
    library_flops: int
    library: dict[str, int]
    """Functions that run as library instructions, and how often."""
    seconds: float
    """Modelled time of one run on the target."""

    def to_dict(self) -> dict[str, object]:
        """As JSON holds it."""
        return asdict(self)

    def __str__(self) -> str:
        """Render as `neuronc compile` prints it."""
        return "\n".join(f"  {name:<14}{text}" for name, text in self._rows())

    def _rows(self) -> list[tuple[str, str]]:
        total = self.tensor_flops + self.library_flops
        library = ", ".join(f"{name} {count}" for name, count in self.library.items()) or "none"
        return [
            ("target", self.target),
            ("kernels", f"{self.kernels}, called {self.calls} times"),
            ("instructions", ", ".join(f"{n} {c}" for n, c in self.instructions.items())),
            ("SBUF", _of_limit(self.sbuf_bytes, self.sbuf_limit_bytes) + " a partition"),
            ("PSUM", _of_limit(self.psum_bytes, self.psum_limit_bytes) + " a partition"),
            ("HBM", _of_limit(self.footprint.total_bytes, self.hbm_limit_bytes)),
            ("", _parts(self.footprint)),
            ("HBM moved", self._moved()),
            ("FLOPs", f"{format_count(self.tensor_flops)} on the tensor engine"),
            ("transposes", f"{self.transposes} of blocks on the tensor engine"),
            ("library", f"{format_share(self.library_flops, total)} of FLOPs; {library}"),
            ("latency", f"{format_seconds(self.seconds)} estimated{self._loops_note()}"),
        ]

    def _moved(self) -> str:
        moved, least = self.hbm_moved_bytes, self.hbm_compulsory_bytes
        times = (
            f", {moved / least:.2f} times the {format_bytes(least)} that it must" if least else ""
        )
        return format_bytes(moved) + times

    def _loops_note(self) -> str:
        if not self.loops:
            return ""
        loops = "the loop" if self.loops == 1 else f"each of {self.loops} loops"
        return f", {loops} counted as one iteration"


def report_of(artifact: Artifact) -> Report:
    """Count what an artifact holds and add up what its program calls."""
    hw = GENERATIONS[artifact.target]
    run = _cost(artifact.program, artifact.kernels)
    called = [(artifact.kernels[k], count) for k, count in sorted(run.calls.items())]
    parts = footprint(artifact.buffers, artifact.temporary_bytes)
    return Report(
        target=artifact.target,
        kernels=len(artifact.kernels),
        calls=run.calls.total(),
        loops=run.loops,
        instructions=_instructions(artifact.kernels),
        sbuf_bytes=max((k.sbuf_bytes for k in artifact.kernels), default=0),
        sbuf_limit_bytes=hw.sbuf_bytes_per_partition,
        psum_bytes=max((k.psum_bytes for k in artifact.kernels), default=0),
        psum_limit_bytes=hw.psum_bytes_per_partition,
        hbm_moved_bytes=sum(k.hbm_bytes * count for k, count in called),
        hbm_compulsory_bytes=compulsory_bytes(artifact),
        footprint=parts,
        hbm_limit_bytes=hw.hbm_bytes,
        tensor_flops=sum(k.flops * count for k, count in called),
        transposes=sum(_transposes(k) * count for k, count in called),
        library_flops=sum(k.library_flops * count for k, count in called),
        library=_library(called),
        seconds=run.seconds,
    )


def count_calls(artifact: Artifact) -> Counter[int]:
    """How often one run calls each kernel, loops counted once."""
    return _cost(artifact.program, artifact.kernels).calls


@dataclass
class _Cost:
    """Calls by kernel, loops and time of a sequence of steps."""

    calls: Counter[int] = field(default_factory=Counter[int])
    loops: int = 0
    seconds: float = 0.0

    def add(self, other: _Cost) -> None:
        self.calls += other.calls
        self.loops += other.loops
        self.seconds += other.seconds

    def times(self, count: int) -> _Cost:
        """The cost of running so often; a loop inside is one all the same."""
        calls = Counter({kernel: n * count for kernel, n in self.calls.items() if count})
        return _Cost(calls, self.loops, self.seconds * count)


def _cost(steps: Sequence[Step], kernels: Sequence[Kernel]) -> _Cost:
    total = _Cost()
    for step in steps:
        if isinstance(step, Call):
            total.add(_Cost(Counter([step.kernel]), 0, kernels[step.kernel].seconds))
        elif isinstance(step, While):
            total.add(_Cost(loops=int(step.trips is None)))
            trips = 1 if step.trips is None else step.trips
            total.add(_cost(step.condition, kernels).times(trips + 1))
            total.add(_cost(step.body, kernels).times(trips))
        else:
            branches = [_cost(branch, kernels) for branch in step.branches]
            total.add(max(branches, key=lambda cost: cost.seconds, default=_Cost()))
    return total


def _instructions(kernels: Sequence[Kernel]) -> dict[str, int]:
    return {
        engine.name.lower(): sum(len(k.streams[engine]) for k in kernels if engine in k.streams)
        for engine in ENGINES
    }


def _transposes(kernel: Kernel) -> int:
    stream = kernel.streams.get(Engine.TENSOR)
    return 0 if stream is None else int((stream["opcode"] == Transpose.opcode).sum())


def _library(called: Sequence[tuple[Kernel, int]]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for kernel, count in called:
        for call in kernel.library:
            counts[call.function] += count
    return dict(sorted(counts.items()))


def _of_limit(used: int, limit: int) -> str:
    return f"{format_bytes(used)} of {format_bytes(limit)} ({format_share(used, limit)})"


def _parts(parts: Footprint) -> str:
    named = {
        "inputs": parts.input_bytes,
        "outputs": parts.output_bytes,
        "constants": parts.constant_bytes,
        "temporaries": parts.temporary_bytes,
    }
    return ", ".join(f"{name} {format_bytes(size)}" for name, size in named.items())
