"""How fast neuronc compiles, loads and runs, side by side with JAX on the same cores.

    python benchmarks/speed.py                              everything below
    python benchmarks/speed.py run --models gpt2-prefill gpt2-decode --runs 11
    python benchmarks/speed.py compile load --json

* compile: `neuronc compile` in a process of its own, with its peak resident memory, of GPT-2 124M
  with its weights as arguments and as constants, and of GPT-2 XL with its weights as arguments.
* load: of the artifact with the constants, in a new process each time, its file cached by the OS.
* run: medians of the artifact and of `jax.jit` on the CPU, taken in turns in one process. What a
  model donates (the cache of a decode step, the weights of a train step) both update in place: JAX
  on its device, neuronc in the arrays that were bound.

OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE are unset first, for both sides.
"""

# pyright: reportUnknownMemberType=false
# Parts of jax are not annotated.

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import geometric_mean, median
from tempfile import TemporaryDirectory
from typing import ClassVar, cast

import jax
import numpy as np
from environment import describe, restart_without_overrides
from models import FULL, MODELS, SMALL, Model
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import neuronc

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
    """Medians over calls."""

    TITLE: ClassVar = "one call"
    HEADERS: ClassVar = ("neuronc", "JAX", "ratio", "ratio of processor time")

    model: str
    neuronc_seconds: float
    jax_seconds: float
    neuronc_processor_seconds: float
    """Of all threads: on a machine that others use, it says more than the clock on the wall."""
    jax_processor_seconds: float

    def ratios(self) -> tuple[float, float]:
        """How long it takes for each second of JAX: by the clock, and of the processors."""
        return (
            self.neuronc_seconds / self.jax_seconds,
            self.neuronc_processor_seconds / self.jax_processor_seconds,
        )

    def cells(self) -> list[str]:
        """The numbers for people."""
        times = (self.neuronc_seconds, self.jax_seconds)
        ratios = (f"{ratio:.2f}" for ratio in self.ratios())
        return [*(f"{seconds * 1e3:.1f} ms" for seconds in times), *ratios]


Row = Compilation | Load | Run


@dataclass(frozen=True)
class Contender:
    """A program to time: `call(prepare())`, of which only the call counts."""

    prepare: Callable[[], Sequence[object]]
    call: Callable[[Sequence[object]], object]

    def seconds(self) -> tuple[float, float]:
        """The time of one call: by the clock, and of all threads together."""
        args = self.prepare()
        start, worked = time.perf_counter(), time.process_time()
        self.call(args)
        return time.perf_counter() - start, time.process_time() - worked


def fresh(model: Model, copy: Callable[[object], object]) -> list[object]:
    """The arguments, copied where a call may overwrite them."""
    return [
        jax.tree.map(copy, arg) if n in model.donate else arg for n, arg in enumerate(model.args)
    ]


def copy_on_device(leaf: object) -> object:
    """A JAX array of its own."""
    return jax.numpy.array(leaf)


def wait(results: object) -> None:
    """Return when JAX has computed all of `results`."""
    jax.block_until_ready(results)


def jax_contender(model: Model) -> Contender:
    """`jax.jit`, with its arguments on the device."""
    jitted = cast("Callable[..., object]", jax.jit(model.fn, donate_argnums=model.donate))
    placed = replace(model, args=tuple(jax.device_put(arg) for arg in model.args))

    def prepare() -> Sequence[object]:
        args = fresh(placed, copy_on_device)
        wait(args)
        return args

    return Contender(prepare, call=lambda args: wait(jitted(*args)))


def neuronc_contender(model: Model, target: str) -> Contender:
    """The artifact, loaded; what it may overwrite is bound, as JAX's lies on the device."""
    program = neuronc.load(neuronc.compile(model.lower(), target=target))
    given = model.arrays()
    inputs = program.signature.inputs
    donated = {n: np.array(given[n]) for n, info in enumerate(inputs) if info.donated >= 0}
    program.bind({**donated})
    free = [array for n, array in enumerate(given) if n not in donated]

    def prepare() -> Sequence[object]:
        for n, array in donated.items():
            np.copyto(array, given[n])
        return free

    return Contender(prepare, lambda args: program(*cast("Sequence[NDArray[np.generic]]", args)))


def compare(name: str, target: str, runs: int) -> Run:
    """Time both in turns, after one call of each that does not count."""
    model = MODELS[name]()
    contenders = (neuronc_contender(model, target), jax_contender(model))
    for contender in contenders:
        contender.seconds()
    seconds = [[contender.seconds() for contender in contenders] for _ in range(runs)]
    ours, jaxs = ([*zip(*column, strict=True)] for column in zip(*seconds, strict=True))
    return Run(name, median(ours[0]), median(jaxs[0]), median(ours[1]), median(jaxs[1]))


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
        means = (f"{geometric_mean(column):.2f}" for column in zip(*ratios, strict=True))
        result.add_row("geometric mean", "", "", *means)
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
