"""The cost model against measurements: schedules, rebuilt as records and priced.

    python benchmarks/calibration.py                       the table of docs/performance.md
    python benchmarks/calibration.py --rows mine.json      your own rows (see measured_rows.py)
    python benchmarks/calibration.py --matmul 4096 8192 8192 --schedule hoisted --target trn1
    python benchmarks/calibration.py --matmul 1000 300 777 --dtype f32 --measured 0.5 --json

Published rows are those of the hardware reference, 7.1, whose schedule is described; times were
measured by others on real chips. Exit status 1 if a row cannot be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from matmul_schedule import NAMES, named
from measured_rows import PUBLISHED, Row, read
from rich.console import Console

from neuronc.hardware import GENERATIONS
from neuronc.isa.table import Engine


@dataclass(frozen=True)
class Priced:
    """One row, measured and modelled."""

    row: int
    name: str
    target: str
    measured: float | None
    modelled: float
    tensor: float
    """The share of the time for which the tensor engine is busy."""
    note: str

    @property
    def error(self) -> float | None:
        """Of the model, relative to what was measured."""
        return None if self.measured is None else self.modelled / self.measured - 1


def price(row: Row) -> Priced:
    """A row's schedule through the timeline; times in milliseconds."""
    schedule = row.build()
    timeline = schedule.timeline()
    milliseconds = timeline.seconds * 1e3
    track = timeline.tracks.get(Engine.TENSOR)
    tensor = float(track.busy.sum()) / timeline.seconds if track else 0.0
    shape = (row.number, row.name, row.target, row.milliseconds, milliseconds, tensor)
    return Priced(*shape, schedule.overflow())


def main() -> int:
    """Price every row and print the table."""
    options = _parser().parse_args()
    try:
        rows = _rows(options)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    _print([price(row) for row in rows], options.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=Path, help="a JSON file of rows")
    parser.add_argument("--matmul", type=int, nargs=3, metavar=("M", "K", "N"))
    parser.add_argument("--schedule", choices=NAMES, default="tiled", help="of --matmul")
    parser.add_argument("--dtype", default="bf16", help="of --matmul")
    parser.add_argument("--target", choices=list(GENERATIONS), default="trn2", help="of --matmul")
    parser.add_argument("--measured", type=float, metavar="MS", help="of --matmul")
    parser.add_argument("--json", action="store_true")
    return parser


def _rows(options: argparse.Namespace) -> list[Row]:
    if options.rows:
        return read(options.rows)
    if not options.matmul:
        return list(PUBLISHED)
    m, k, n = options.matmul
    schedule = named(options.schedule, m, k, n, options.dtype)
    name = f"matmul {options.dtype}, {options.schedule}"
    return [Row(0, name, options.target, options.measured, schedule)]


def _print(found: list[Priced], as_json: bool) -> None:
    if as_json:
        print(json.dumps([{**vars(row), "error": row.error} for row in found], indent=1))
        return
    print("| row | schedule | target | measured, ms | modelled, ms | error | tensor engine busy |")
    print("|---|---|---|---|---|---|---|")
    for row in found:
        print(_line(row))
    errors = [abs(row.error) for row in found if row.error is not None]
    if errors:
        print(f"\nmean absolute error {sum(errors) / len(errors):.1%}")
    for row in found:
        if row.note:
            Console(stderr=True).print(f"note: {row.name} on {row.target}: {row.note}")


def _line(row: Priced) -> str:
    measured = "" if row.measured is None else f"{row.measured:.4g}"
    error = "" if row.error is None else f"{row.error:+.1%}"
    cells = (row.row or "", row.name, row.target, measured, f"{row.modelled:.4g}", error)
    return f"| {' | '.join(map(str, cells))} | {row.tensor:.1%} |"


if __name__ == "__main__":
    sys.exit(main())
