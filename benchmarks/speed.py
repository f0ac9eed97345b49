"""How fast neuronc compiles, loads and runs, side by side with JAX and IREE on the same cores.

    python benchmarks/speed.py                              everything below
    python benchmarks/speed.py run --models gpt2-prefill gpt2-decode --runs 11
    python benchmarks/speed.py compile load --json

* compile: `neuronc compile` in a process of its own, with its peak resident memory, of GPT-2 124M
  with its weights as arguments and as constants, and of GPT-2 XL with its weights as arguments.
* load: of the artifact with the constants, in a new process each time, its file cached by the OS.
* run: the artifact's first call, which binds its kernels; then medians of the artifact, of
  `jax.jit` on the CPU and of IREE's module for the CPU (PyPI iree-base-compiler and
  iree-base-runtime; llvm-cpu for this host, one worker a core), taken in turns in one process, each
  with its weights in place. What a model donates (the cache of a decode step, the weights of a
  train step) the first two update in place: JAX on its device, neuronc in the arrays that were
  bound. IREE returns new arrays. All outputs are compared with JAX's.

OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE are unset first, for both sides.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from statistics import geometric_mean, median
from tempfile import TemporaryDirectory
from typing import ClassVar, cast

import iree_tools
from contenders import iree_contender, jax_contender, neuronc_contender
from environment import describe, restart_without_overrides
from models import FULL, MODELS, SMALL, relative_error
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
COMPILED = ("gpt2-prefill", "gpt2-prefill-constants", "gpt2-xl")
LOADED = "gpt2-prefill-constants"
RUN = ("gpt2-prefill", "minilm-batch", "resnet18-batch", "gpt2-decode", "train-step")


@dataclass(frozen=True)
class Compilation:
    """One `neuronc compile`, from the module's file to the artifact's."""

    TITLE: ClassVar = "neuronc compile"
    HEADERS: ClassVar = ("time", "peak memory", "module", "artifact")

    model: str
    seconds: float
    peak_bytes: int
    module_bytes: int
    artifact_bytes: int

    def cells(self) -> list[str]:
        """The numbers for people."""
        sizes = (self.peak_bytes, self.module_bytes, self.artifact_bytes)
        return [f"{self.seconds:.2f} s", *(f"{size / 1e6:.1f} MB" for size in sizes)]


@dataclass(frozen=True)
class Load:
    """Medians over new processes."""

    TITLE: ClassVar = "loading in a new process"
    HEADERS: ClassVar = ("import", "load", "peak memory", "artifact")

    model: str
    import_seconds: float
    load_seconds: float
    peak_bytes: int
    artifact_bytes: int

    def cells(self) -> list[str]:
        """The numbers for people."""
        times = (self.import_seconds, self.load_seconds)
        sizes = (self.peak_bytes, self.artifact_bytes)
        return [*(f"{t * 1e3:.1f} ms" for t in times), *(f"{n / 1e6:.1f} MB" for n in sizes)]


@dataclass(frozen=True)
class Run:
    """Medians over calls of neuronc, JAX, and IREE where it is installed."""

    TITLE: ClassVar = "one call; ratios to JAX: by the clock, of processor time; errors to JAX"
    HEADERS: ClassVar = ("first", "neuronc", "JAX", "IREE", "ratios", "IREE's", "error", "IREE's")

    model: str
    first_seconds: float
    """Of neuronc's first call after it was loaded; the others compile in theirs."""
    seconds: Sequence[float]
    processor_seconds: Sequence[float]
    """Of all threads: on a machine that others use, it says more than the clock on the wall."""
    errors: Sequence[float]
    """Of the worst output, relative to the outputs of JAX."""

    def ratios(self) -> tuple[float, ...]:
        """How long neuronc and IREE take for each second of JAX: by the clock, of processors."""
        return tuple(
            clock[i] / clock[1]
            for i in (0, 2)
            for clock in (self.seconds, self.processor_seconds)
            if i < len(clock)
        )

    def cells(self) -> list[str]:
        """The numbers for people."""
        times = [f"{seconds * 1e3:.1f} ms" for seconds in self.seconds]
        errors = [f"{error:.1e}" for error in (self.errors[0], *self.errors[2:])]
        ratios = _padded(ratio_cells(self.ratios()), 2)
        first = f"{self.first_seconds * 1e3:.0f} ms"
        return [first, *_padded(times, 3), *ratios, *_padded(errors, 2)]


def ratio_cells(ratios: Sequence[float]) -> list[str]:
    """By the clock and of processor time, for each that is compared with JAX."""
    return [f"{ratios[i]:.2f} {ratios[i + 1]:.2f}" for i in range(0, len(ratios), 2)]


def _padded(cells: Sequence[str], count: int) -> list[str]:
    return [*cells, *[""] * (count - len(cells))]


Row = Compilation | Load | Run


def compare(name: str, target: str, runs: int) -> Run:
    """Time all in turns, after one call of each whose outputs are compared."""
    model = MODELS[name]()
    with TemporaryDirectory() as directory:
        contenders = [neuronc_contender(model, target), jax_contender(model)]
        if iree_tools.can_run():
            contenders += filter(None, [iree_contender(model, Path(directory))])
        firsts, outputs = zip(*(contender.first() for contender in contenders), strict=True)
        seconds = [[contender.seconds() for contender in contenders] for _ in range(runs)]
    walls, processors = (
        [median(calls) for calls in zip(*clock, strict=True)]
        for clock in zip(*(zip(*row, strict=True) for row in seconds), strict=True)
    )
    errors = [relative_error(made, outputs[1]) for made in outputs]
    return Run(name, firsts[0], walls, processors, errors)


def child(*args: str) -> dict[str, float]:
    """Run a step of child.py in a process of its own."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    result = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "child.py"), *args],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return cast("dict[str, float]", json.loads(result.stdout.splitlines()[-1]))


def compile_in_child(name: str, target: str, directory: Path) -> Compilation:
    """Export and compile one model, leaving directory/model.neff."""
    directory.mkdir(exist_ok=True)
    module, artifact = directory / "model.mlir", directory / "model.neff"
    child("export", name, str(module))
    numbers = child("compile", str(module), str(artifact), target)
    return Compilation(
        name,
        numbers["seconds"],
        int(numbers["peak_bytes"]),
        module.stat().st_size,
        artifact.stat().st_size,
    )


def load_in_child(name: str, target: str, directory: Path, runs: int) -> Load:
    """Load directory/model.neff, made first if it is not there, in `runs` processes."""
    artifact = directory / "model.neff"
    if not artifact.exists():
        compile_in_child(name, target, directory)
    child("load", str(artifact))
    numbers = [child("load", str(artifact)) for _ in range(runs)]
    medians = {key: median(number[key] for number in numbers) for key in numbers[0]}
    return Load(
        name,
        medians["import_seconds"],
        medians["load_seconds"],
        int(medians["peak_bytes"]),
        artifact.stat().st_size,
    )


def measure(options: argparse.Namespace, directory: Path) -> dict[str, Sequence[Row]]:
    """The rows of every section asked for; runs last, as they make this process large."""
    target: str = options.target
    sections: dict[str, Callable[[], Sequence[Row]]] = {
        "compile": lambda: [
            compile_in_child(name, target, directory / name) for name in options.compile
        ],
        "load": lambda: [load_in_child(LOADED, target, directory / LOADED, options.runs)],
        "run": lambda: [compare(name, target, options.runs) for name in options.models],
    }
    return {name: sections[name]() for name in sections if name in options.sections}


def table(rows: Sequence[Row]) -> Table:
    """The rows of one section for people."""
    result = Table(title=rows[0].TITLE)
    result.add_column("model", no_wrap=True)
    for header in rows[0].HEADERS:
        result.add_column(header, justify="right")
    for row in rows:
        result.add_row(row.model, *row.cells())
    ratios = [row.ratios() for row in rows if isinstance(row, Run)]
    if len(ratios) > 1:
        columns = zip_longest(*ratios)
        means = [geometric_mean(r for r in column if r is not None) for column in columns]
        result.add_row("geometric mean", "", "", "", "", *ratio_cells(means))
    return result


def parse_options() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sections = ["compile", "load", "run"]
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(sections))
    parser.add_argument("--models", nargs="+", choices=[*FULL, *SMALL], default=list(RUN))
    parser.add_argument("--compile", nargs="+", choices=list(MODELS), default=list(COMPILED))
    parser.add_argument("--runs", type=int, default=7, help="calls or processes per median")
    parser.add_argument("--target", default="trn2")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    options.sections = options.sections or sections
    if unknown := set(options.sections) - set(sections):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    return options


def main() -> None:
    """Measure what was asked for."""
    restart_without_overrides()
    options = parse_options()
    if "run" in options.sections and not iree_tools.can_run():
        print(f"IREE is left out: {iree_tools.MISSING}", file=sys.stderr)
    with TemporaryDirectory() as directory:
        sections = measure(options, Path(directory))
    if options.json:
        rows = {name: [asdict(row) for row in part] for name, part in sections.items()}
        print(json.dumps({"machine": describe(), **rows}, indent=2))
        return
    console = Console()
    console.print(", ".join(f"{name} {value}" for name, value in describe().items()))
    for part in sections.values():
        console.print(table(part))


if __name__ == "__main__":
    main()
