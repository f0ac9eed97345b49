"""Try every operation at every element type: `python -m tests.sweep`."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator

from tests.sweep.cell import CRASHED, REFUSED, WRONG, Cell, attempt, cells
from tests.sweep.reference import Reference
from tests.sweep.templates import TEMPLATES


def sweep(only: str, judged: bool) -> Iterator[Cell]:
    """Each cell whose name contains `only`."""
    judges = {name: Reference(name) for name in ("xla", "interpreter")} if judged else {}
    chosen = [(t, k) for t, k in cells(TEMPLATES) if only in f"{t.id} : {k}"]
    for template, kind in chosen:
        yield attempt(template, kind, dict(judges))
    for judge in judges.values():
        judge.stop()


def main() -> int:
    """Exit with 1 if a cell is wrong or crashes."""
    parser = argparse.ArgumentParser(prog="python -m tests.sweep", description=__doc__)
    parser.add_argument("--only", default="", help="try what contains this")
    parser.add_argument("--unjudged", action="store_true", help="do not ask the references")
    options = parser.parse_args()
    found: list[Cell] = []
    for cell in sweep(options.only, not options.unjudged):
        found.append(cell)
        if cell.status in (WRONG, CRASHED):
            print(f"{cell.template.id} : {cell.kind}: {cell.status}\n  {cell.detail}", flush=True)
        elif cell.status == REFUSED or cell.detail.startswith("unjudged"):
            print(f"{cell.template.id} : {cell.kind}: {cell.status} {cell.detail}", flush=True)
    print(Counter(cell.status for cell in found))
    return int(any(cell.status in (WRONG, CRASHED) for cell in found))


if __name__ == "__main__":
    sys.exit(main())
