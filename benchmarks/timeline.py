"""How fast a timeline is: half a million records of a matmul in published order, priced and run.

`python benchmarks/timeline.py` prints the time of the timeline, of the profile, and of the trace.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import process_time

from matmul_schedule import Matmul

from neuronc.artifact.model import Artifact, Buffer, BufferKind, Call, Kernel
from neuronc.hardware import TRN2
from neuronc.profile import profile_of
from neuronc.timeline.simulate import simulate
from neuronc.trace import write_trace


def main() -> None:
    """Time each three times on one core, whatever else runs, and print medians."""
    streams = Matmul(8192, 16384, 20480, "bf16", "mnk", (2, 128, 2)).schedule(TRN2).streams()
    records = sum(map(len, streams.values()))
    kernel = Kernel("matmul_0", 2, streams)
    buffers = tuple(
        Buffer(kind, 0, 0, 4, "f32", (1,)) for kind in (BufferKind.INPUT, BufferKind.OUTPUT)
    )
    artifact = Artifact("trn2", (), (), (kernel,), buffers, 0, (Call(0, (0, 1)),), ())
    profile = profile_of(artifact)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "trace.json"
        actions = {
            "timeline": lambda: simulate(streams, TRN2),
            "profile": lambda: profile_of(replace(artifact)),
            "trace": lambda: write_trace(artifact, profile, path),
        }
        print(f"{records:,} records")
        for name, action in actions.items():
            times: list[float] = []
            for _ in range(3):
                start = process_time()
                action()
                times.append(process_time() - start)
            print(f"{name:<10}{median(times):.2f} s")
        print(f"trace of {path.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
