"""Try torch's operations at all element types: `python -m tests.torch_ops --minutes 60`.

It goes on where it stopped, from the lines of its journal. `--write` then keeps what agreed in
docs/aten.json, for `python docs/aten.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from tests.torch_ops.cell import CRASHED, NO_GRAPH, WORKS, WRONG
from tests.torch_ops.journal import Journal, Row
from tests.torch_ops.pool import sweep
from tests.torch_ops.record import write
from tests.torch_ops.units import BACKWARD, DTYPES, died, try_units, units


def main() -> int:
    """Exit with 1 if a sample is wrong or crashes."""
    options = _parser().parse_args()
    kinds = options.kind.split(",")
    journal = Journal(options.journal)
    wanted = units(kinds, options.only, options.each)
    sweep(wanted, try_units, died, journal, options.workers, 60 * options.minutes)
    done = journal.done()
    cells = [cell for unit in wanted for cell in done.get(unit, [])]
    count = _print(cells)
    print(f"{sum(u in done for u in wanted)} of {len(wanted)} units are done")
    if options.write:
        write([cell for rows in done.values() for cell in rows])
    return int(bool(count[WRONG] + count[CRASHED]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.torch_ops", description=__doc__)
    kinds = ",".join(DTYPES)
    parser.add_argument("--kind", default=kinds, help=f"element types, or {BACKWARD}: {kinds}")
    parser.add_argument("--each", type=int, default=2, help="samples of each operation and type")
    parser.add_argument("--only", default="", help="operations whose name contains this")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--minutes", type=float, default=120, help="stop after these")
    parser.add_argument("--journal", type=Path, default=Path(".torch_ops.jsonl"))
    parser.add_argument("--write", action="store_true", help="write docs/aten.json")
    return parser


def _print(cells: list[Row]) -> Counter[str]:
    count = Counter(cell["status"] for cell in cells)
    for cell in cells:
        if cell["status"] != WORKS:
            print(f"{cell['id']}: {cell['status']}\n  {cell['detail']}")
    known = sum(count.values()) - count[NO_GRAPH]
    print(f"{count[WORKS]} of {known} work; {dict(count)}")
    return count


if __name__ == "__main__":
    sys.exit(main())
