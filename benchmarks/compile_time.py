"""How long compiling takes: neuronc, IREE and XLA for the CPU, on the same modules, in turns.

    pip install neuronc[benchmarks];  python benchmarks/compile_time.py
    python benchmarks/compile_time.py --models gpt2-124m gpt2-xl gpt2-xl-train --runs 5 --json

* command: `neuronc compile` and `iree-compile` (PyPI iree-base-compiler, llvm-cpu for this host),
  each a process of its own from the module's file to the artifact's, with its peak memory.
* cached: the same command once more, with `--cache-dir` of a cache that has the artifact.
* in process: again and again in one process that has everything imported; XLA only so.

Weights are arguments. CPU time is what holds on a busy machine; it counts all threads, of which
IREE and XLA use several. Without `iree-compile` on the path its rows are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import cast

import iree_tools
from environment import restart_without_overrides
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
MODELS = ("gpt2-124m", "gpt2-xl-12", "gpt2-xl", "gpt2-xl-train")
SLOW = frozenset({"gpt2-xl-train"})
"""Models that only neuronc compiles: the others need minutes."""


@dataclass(frozen=True)
class Measured:
    """Medians of one compiler on one module."""

    model: str
    compiler: str
    seconds: float
    cpu_seconds: float
    peak_bytes: float
    cached_seconds: float | None = None
    """Of a command that finds its artifact in the cache."""

    def cells(self) -> tuple[str, ...]:
        """The numbers for people."""
        times = (f"{self.seconds:.2f} s", f"{self.cpu_seconds:.2f} s")
        cached = "" if self.cached_seconds is None else f"{self.cached_seconds:.2f} s"
        return (self.model, self.compiler, *times, f"{self.peak_bytes / 1e6:.0f} MB", cached)


def command(line: Sequence[str]) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak bytes of a process.

    This program imports nothing large, since a child may inherit its peak.
    """
    start = time.perf_counter()
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, line)
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def child(*args: str) -> dict[str, float]:
    """A step of child.py."""
    line = [sys.executable, str(HERE / "child.py"), *args]
    done = subprocess.run(line, stdout=subprocess.PIPE, check=True, text=True)
    return cast("dict[str, float]", json.loads(done.stdout.splitlines()[-1]))


def commands(module: Path, target: str) -> dict[str, list[str]]:
    """How each compiler is called."""
    neuronc = [sys.executable, "-m", "neuronc", "compile", str(module), "--target", target]
    lines = {"neuronc": [*neuronc, "-o", str(module.with_suffix(".neff"))]}
    if iree_tools.COMPILER and module.stem not in SLOW:
        lines["iree-compile"] = iree_tools.compile_line(module, module.with_suffix(".vmfb"))
    return lines


def as_commands(module: Path, target: str, runs: int) -> list[Measured]:
    """Every compiler as a command, in turns."""
    lines = commands(module, target)
    rows = [{name: command(line) for name, line in lines.items()} for _ in range(runs)]
    cached = {"neuronc": cached_seconds(lines["neuronc"], runs)}
    made: list[Measured] = []
    for name in lines:
        seconds, cpu_seconds, peak_bytes = (median(row[name][i] for row in rows) for i in range(3))
        found = cached.get(name)
        made.append(Measured(module.stem, name, seconds, cpu_seconds, peak_bytes, found))
    return made


def cached_seconds(line: Sequence[str], runs: int) -> float:
    """Wall seconds of a command, the median of those after the one that fills the cache."""
    with TemporaryDirectory() as cache:
        _, *later = (command([*line, "--cache-dir", cache])[0] for _ in range(runs + 1))
    return median(later)


def in_process(module: Path, target: str, runs: int) -> list[Measured]:
    """The compilers neuronc and XLA, each in a process of its own."""
    name = module.stem
    steps: dict[str, Callable[[], dict[str, float]]] = {
        "neuronc in process": lambda: child("again", str(module), target, str(runs))
    }
    if name not in SLOW:
        steps["XLA CPU in process"] = lambda: child("xla", name, "1")
    return [Measured(name, compiler, **step()) for compiler, step in steps.items()]


def measure(options: argparse.Namespace, directory: Path) -> list[Measured]:
    """All rows."""
    rows: list[Measured] = []
    for name in cast("list[str]", options.models):
        module = directory / f"{name}.mlir"
        child("export", name, str(module))
        rows += as_commands(module, options.target, options.runs)
        rows += in_process(module, options.target, options.runs)
    return rows


def main() -> None:
    """Measure what was asked for."""
    restart_without_overrides()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--target", default="trn2")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    with TemporaryDirectory() as directory:
        rows = measure(options, Path(directory))
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    table = Table("model", "compiler", "time", "CPU time", "peak memory", "cached")
    for row in rows:
        table.add_row(*row.cells())
    Console().print(table)


if __name__ == "__main__":
    main()
