"""Compare small PyTorch models with eager PyTorch, and write the table of docs/pytorch.md.

    python benchmarks/torch_models.py [--write] [NAME ...]

Every row is run once, on random weights and inputs, in float32, bfloat16 and float16. The error is
the largest difference over the largest value of an output, or of what the model has changed; for
float32 against eager PyTorch, for the halves against float64, with eager's own error beside it.
Times are those of one core, so that other processes do not stretch them, and of float32.
"""

# pyright: basic
# torch_zoo is not typed.

from __future__ import annotations

import argparse
import re
from pathlib import Path

import torch
from torch_compare import compare
from torch_zoo import ZOO, exact, make

PAGE = Path(__file__).parents[1] / "docs" / "pytorch.md"
COLUMNS = (
    "| model | error | bfloat16 (eager's) | float16 (eager's) | changed | operations "
    "| library, of FLOPs | export s | compile s | run ms |"
)
TABLE = re.compile(r"\| model \| error \|.*\n(\|.*\n)+")


def row(name: str) -> str:
    """One row of the table."""
    found = compare(make(name))
    halves = [half(name, dtype) for dtype in (torch.bfloat16, torch.float16)]
    cells = [
        name,
        f"{found.error:.0e}",
        *halves,
        str(found.state) if found.state else "",
        str(found.operations),
        f"{100 * found.library_share:.2f} %",
        f"{found.export_s:.1f}",
        f"{found.compile_s:.1f}",
        f"{1e3 * found.run_s:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def half(name: str, dtype: torch.dtype) -> str:
    """The error in a 16-bit type, and eager's."""
    case = make(name, dtype)
    found = compare(case, exact(name, case))
    return f"{found.error:.0e} ({found.eager:.0e})"


def main() -> None:
    """Measure, print, and with --write put the table into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(ZOO))
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    lines = [COLUMNS, "|---" * COLUMNS.count(" |") + "|"]
    for name in args.names:
        lines.append(row(name))
        print(lines[-1], flush=True)
    if args.write:
        table = "\n".join(lines) + "\n"
        PAGE.write_text(TABLE.sub(lambda _: table, PAGE.read_text()))


if __name__ == "__main__":
    main()
