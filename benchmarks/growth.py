"""How cost grows with a transformer's depth, width and sequence: compile, size, run, modelled time.

    python benchmarks/growth.py                          tables
    python benchmarks/growth.py --plot docs/growth.svg   and a plot (pip install matplotlib)
    python benchmarks/growth.py --sweeps layers --runs 5 --json > layers.json
    python benchmarks/growth.py --read layers.json width.json --plot docs/growth.svg

GPT-2's prefill in f32 with weights as arguments. One of layers, width and sequence varies, the
others stay small, so that no more than one thing grows. Times are CPU time of this process and all
its threads, which holds on a busy machine: compile time is the median of `--runs`, run time that of
as many calls, and left out where a call would take more than RUN_FLOPS.
"""

# pyright: reportMissingImports=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# matplotlib is optional, and parts of jax are not annotated.

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from environment import restart_without_overrides
from models import Model, gpt2
from rich.console import Console
from rich.table import Table

import neuronc

RUN_FLOPS = 60e9
"""A call with more takes seconds on two cores, and is not run."""


@dataclass(frozen=True)
class Point:
    """A member of the family."""

    layers: int = 6
    width: int = 256
    sequence: int = 128

    def model(self) -> Model:
        """The prefill, with shapes for arguments; heads are 64 wide."""
        heads = self.width // 64
        config = gpt2.Config(self.layers, self.width, heads, vocab=512, context=self.sequence)
        return Model(*gpt2.model(config, "prefill", self.sequence, jnp.dtype("float32"), None))


BASE = Point()
SWEEPS: dict[str, tuple[int, ...]] = {
    "layers": (6, 12, 24, 48, 96),
    "width": (256, 512, 1024, 2048),
    "sequence": (128, 256, 512, 1024, 2048, 4096),
}


@dataclass(frozen=True)
class Row:
    """What one point costs."""

    sweep: str
    value: int
    compile_seconds: float
    artifact_bytes: int
    kernels: int
    modelled_seconds: float
    run_seconds: float | None

    def cells(self) -> tuple[str, ...]:
        """The numbers for people."""
        run = "" if self.run_seconds is None else f"{self.run_seconds * 1e3:.0f} ms"
        return (
            str(self.value),
            f"{self.compile_seconds:.2f} s",
            f"{self.artifact_bytes / 1e3:.0f} kB",
            str(self.kernels),
            f"{self.modelled_seconds * 1e3:.2f} ms",
            run,
        )


HEADERS = ("compile", "artifact", "kernels", "modelled", "run")
PLOTTED: dict[str, tuple[str, Callable[[Row], float | None]]] = {
    "compile time, s": ("tab:blue", lambda row: row.compile_seconds),
    "artifact, MB": ("tab:orange", lambda row: row.artifact_bytes / 1e6),
    "modelled time, s": ("tab:green", lambda row: row.modelled_seconds),
    "run time, s": ("tab:red", lambda row: row.run_seconds),
}


def seconds(call: Callable[[], object], runs: int) -> float:
    """CPU seconds of the median of some calls, all threads together."""
    taken: list[float] = []
    for _ in range(runs):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return median(taken)


def measure(sweep: str, value: int, target: str, runs: int) -> Row:
    """One point."""
    model = replace(BASE, **{sweep: value}).model()
    lowered = model.lower()
    compiled = neuronc.compile(lowered, target=target)
    spent = seconds(lambda: neuronc.compile(lowered, target=target), runs)
    report, size = compiled.report, len(bytes(compiled))
    run = run_time(compiled, model, runs) if report.tensor_flops <= RUN_FLOPS else None
    return Row(sweep, value, spent, size, report.kernels, report.seconds, run)


def run_time(compiled: neuronc.Compiled, model: Model, runs: int) -> float:
    """CPU seconds of a call on weights of a size that keeps activations finite."""
    random, program = np.random.default_rng(0), neuronc.load(compiled)
    inputs = [
        (random.standard_normal(leaf.shape) * 0.02).astype(leaf.dtype)
        for leaf in cast("list[jax.ShapeDtypeStruct]", jax.tree.leaves(model.args))
    ]
    program(*inputs)
    return seconds(lambda: program(*inputs), runs)


def read_rows(paths: Sequence[Path]) -> list[list[Row]]:
    """The sweeps of some runs with `--json`."""
    rows = [Row(**row) for path in paths for row in json.loads(path.read_text())]
    return [[row for row in rows if row.sweep == sweep] for sweep in {row.sweep: 0 for row in rows}]


def table(rows: Sequence[Row]) -> Table:
    """The rows of one sweep for people."""
    result = Table(rows[0].sweep, *HEADERS)
    for row in rows:
        result.add_row(*row.cells())
    return result


def plot(sweeps: Sequence[Sequence[Row]], path: Path) -> None:
    """One panel for each sweep, both axes logarithmic."""
    import matplotlib as mpl

    mpl.rcParams["svg.hashsalt"] = "neuronc"
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(
        1, len(sweeps), figsize=(4 * len(sweeps), 4), squeeze=False, sharey=True
    )
    for panel, rows in zip(panels[0], sweeps, strict=True):
        values = [row.value for row in rows]
        for label, (color, get) in PLOTTED.items():
            known = [(row.value, y) for row in rows if (y := get(row)) is not None]
            if known:
                panel.plot(*zip(*known, strict=True), marker="o", color=color, label=label)
        # Where a cost is in proportion to what varies, its line is parallel to this one.
        slope = [1e-4 * value / values[0] for value in values]
        panel.plot(values, slope, ":", color="gray", label="in proportion")
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.set_xticks(values, [str(value) for value in values])
        panel.set_xlabel(rows[0].sweep)
        panel.grid(alpha=0.3)
    figure.legend(*panels[0][0].get_legend_handles_labels(), ncols=5, loc="upper center")
    figure.tight_layout(rect=(0, 0, 1, 0.92))
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Measure what was asked for."""
    restart_without_overrides()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sweeps", nargs="+", choices=list(SWEEPS), default=list(SWEEPS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--target", default="trn2")
    parser.add_argument("--plot", type=Path, metavar="SVG")
    text = "rows that --json printed, instead of measuring"
    parser.add_argument("--read", type=Path, nargs="+", metavar="JSON", help=text)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    if options.read:
        sweeps = read_rows(options.read)
    else:
        sweeps = [
            [measure(sweep, value, options.target, options.runs) for value in SWEEPS[sweep]]
            for sweep in cast("list[str]", options.sweeps)
        ]
    if options.plot:
        plot(sweeps, options.plot)
    if options.json:
        print(json.dumps([asdict(row) for rows in sweeps for row in rows], indent=2))
        return
    for rows in sweeps:
        Console().print(table(rows))


if __name__ == "__main__":
    main()
