"""The table of operations and element types, made of what ran.

An operation that works in one form at a type has the engines of all its forms that work there; one
that works in none has the code of its first refusal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from neuronc.coverage import ENGINES, FILE
from tests.conformance.coverage import Coverage
from tests.sweep.cell import REFUSED, WORKS, Cell
from tests.sweep.template import KINDS

TABLE = Path(__file__).parents[2] / "neuronc" / "data" / FILE


def table(cells: Iterable[Cell], others: Coverage) -> dict[str, dict[str, list[str]]]:
    """Engines or codes by operation and type; `others` is what further programs showed."""
    works: Coverage = {}
    refused: dict[str, dict[str, str]] = {}
    for cell in cells:
        if cell.status == WORKS:
            works.setdefault(cell.template.op, {}).setdefault(cell.kind, set()).update(cell.engines)
        elif cell.status == REFUSED:
            refused.setdefault(cell.template.op, {}).setdefault(cell.kind, cell.detail)
    for op, kinds in others.items():
        for kind, engines in kinds.items():
            if kind in KINDS:
                works.setdefault(op, {}).setdefault(kind, set()).update(engines)
    return {op: _row(works.get(op, {}), refused.get(op, {})) for op in sorted({*works, *refused})}


def write(found: Mapping[str, Mapping[str, list[str]]]) -> None:
    """Write the data of `neuronc ops`, one operation a line."""
    rows = [f" {json.dumps(op)}: {json.dumps(kinds)}" for op, kinds in found.items()]
    TABLE.write_text("{\n" + ",\n".join(rows) + "\n}\n")


def shown(engines: Iterable[str]) -> list[str]:
    """The engines that computed; the transfers around them count only where nothing did."""
    ordered = sorted(set(engines), key=ENGINES.index)
    return [e for e in ordered if e != "dma"] or ordered


def _row(works: Mapping[str, set[str]], refused: Mapping[str, str]) -> dict[str, list[str]]:
    kinds = [kind for kind in KINDS if kind in works or kind in refused]
    return {k: shown(works[k]) if k in works else [refused[k]] for k in kinds}
