"""What a sweep proved, by ATen operation: docs/aten.json, from which docs/aten.py writes its page.

    "verified": {"aten.add.Tensor": {"float32": 12, "backward": 3, ...}, ...}
    "refused": {"unique": "NRC-0901: ..."}

A sample that agrees with eager torch counts for every operation that its graph held, before torch
took it apart and after.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path

from tests.torch_ops.cell import CRASHED, NO_GRAPH, REFUSED, WORKS, WRONG
from tests.torch_ops.journal import Row

RECORD = Path(__file__).parents[2] / "docs" / "aten.json"


def write(cells: list[Row]) -> None:
    """Keep the counts."""
    RECORD.write_text(_text(record(cells)))


def record(cells: list[Row]) -> dict[str, dict[str, object]]:
    """The counts of a sweep."""
    verified: dict[str, Counter[str]] = defaultdict(Counter)
    totals: dict[str, Counter[str]] = defaultdict(Counter)
    failures: dict[str, str] = {}
    for cell in cells:
        totals[cell["kind"]][cell["status"]] += 1
        if cell["status"] == WORKS:
            for name in cell["aten"]:
                verified[name][cell["kind"]] += 1
        elif cell["status"] != NO_GRAPH:
            failures[cell["id"]] = f"{cell['status']}: {_short(cell['detail'])}"
    order = (WORKS, REFUSED, WRONG, CRASHED, NO_GRAPH)
    return {
        "totals": {k: {s: v[s] for s in order} for k, v in totals.items()},
        "failures": dict(sorted(failures.items())),
        "verified": {k: dict(v) for k, v in sorted(verified.items())},
    }


def _short(detail: str) -> str:
    """Without where it was, and the hint."""
    text = re.sub(r" at calls\.\d+ \([^)]*\)?", "", detail.partition(" hint:")[0])
    return text.replace("graph: error: NRC-0901: ", "")


def _text(found: dict[str, dict[str, object]]) -> str:
    """JSON with one line for each operation."""
    parts = [
        f"{json.dumps(title)}: {{\n"
        + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in rows.items())
        + "\n}"
        for title, rows in found.items()
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"
