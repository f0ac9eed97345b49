"""Try every operation at every element type: `python -m tests.sweep --corpus CASES.zip --write`."""

from __future__ import annotations

import argparse
import runpy
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.conformance.__main__ import run as run_corpus
from tests.conformance.coverage import Coverage, merge
from tests.conformance.outcome import PASS
from tests.sweep.cell import CRASHED, REFUSED, WRONG, Cell, attempt, cells
from tests.sweep.reference import Reference
from tests.sweep.table import table, write
from tests.sweep.templates import TEMPLATES

PAGE = Path(__file__).parents[2] / "docs" / "ops.py"


def sweep(only: str, judged: bool) -> Iterator[Cell]:
    """Each cell whose name contains `only`."""
    judges = {name: Reference(name) for name in ("xla", "interpreter")} if judged else {}
    chosen = [(t, k) for t, k in cells(TEMPLATES) if only in f"{t.id} : {k}"]
    for template, kind in chosen:
        yield attempt(template, kind, dict(judges))
    for judge in judges.values():
        judge.stop()


def corpus(archive: Path | None) -> Coverage:
    """What the programs of a corpus showed that hold."""
    found: Coverage = {}
    for outcome in run_corpus(archive) if archive else []:
        if outcome.status == PASS:
            merge(found, list(outcome.seen))
    return found


def main() -> int:
    """Exit with 1 if a cell is wrong or crashes."""
    parser = argparse.ArgumentParser(prog="python -m tests.sweep", description=__doc__)
    parser.add_argument("--only", default="", help="try what contains this")
    parser.add_argument("--unjudged", action="store_true", help="do not ask the references")
    parser.add_argument("--corpus", type=Path, help="an archive whose programs show more")
    parser.add_argument(
        "--write", action="store_true", help="rewrite neuronc/data/coverage.json and docs/ops.md"
    )
    options = parser.parse_args()
    found: list[Cell] = []
    for cell in sweep(options.only, not options.unjudged):
        found.append(cell)
        if cell.status in (WRONG, CRASHED):
            print(f"{cell.template.id} : {cell.kind}: {cell.status}\n  {cell.detail}", flush=True)
        elif cell.status == REFUSED or cell.detail.startswith("unjudged"):
            print(f"{cell.template.id} : {cell.kind}: {cell.status} {cell.detail}", flush=True)
    count = Counter(cell.status for cell in found)
    print(count, "judged:", sum(bool(cell.agrees) for cell in found))
    if options.write:
        write(table(found, corpus(options.corpus)))
        runpy.run_path(str(PAGE), run_name="__main__")
    return int(bool(count[WRONG] + count[CRASHED]))


if __name__ == "__main__":
    sys.exit(main())
