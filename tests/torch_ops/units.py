"""The units of a sweep: an operation at an element type, or backward; and how one is tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from tests.torch_ops.cell import CRASHED, Cell, Sample, attempt_all, infos, samples
from tests.torch_ops.gradient import attempt_backward
from tests.torch_ops.journal import Row

DTYPES = (
    *("float32", "float16", "bfloat16", "float64", "complex64"),
    *("int64", "int32", "int16", "int8", "uint8", "bool"),
)
BACKWARD = "backward"
"""Gradients in float32, of what has them."""


def units(kinds: Sequence[str], only: str, each: int) -> list[str]:
    """`operation : kind : samples`, for all operations that have the kind."""
    return [
        f"{info.formatted_name} : {kind} : {each}"
        for kind in kinds
        for info in infos()
        if only in info.formatted_name and _has(info, kind)
    ]


def _has(info: Any, kind: str) -> bool:
    if kind == BACKWARD:
        return info.supports_autograd and torch.float32 in info.supported_backward_dtypes("cpu")
    return getattr(torch, kind) in info.supported_dtypes("cpu")


def try_units(group: Sequence[str]) -> dict[str, list[Row]]:
    """What became of each sample of some units."""
    given = {unit: _samples(unit) for unit in group}
    ahead = [s for unit, listed in given.items() if _kind(unit) != BACKWARD for s in listed]
    cells = {id(cell.sample): cell for cell in attempt_all(ahead)}
    return {
        unit: [_row(cells.get(id(s)) or attempt_backward(s), unit) for s in listed]
        for unit, listed in given.items()
    }


def _kind(unit: str) -> str:
    return unit.split(" : ")[1]


def _samples(unit: str) -> list[Sample]:
    op, kind, each = unit.split(" : ")
    dtype = torch.float32 if kind == BACKWARD else getattr(torch, kind)
    return list(samples(dtype, int(each), op, exact=True, gradients=kind == BACKWARD))


def _row(cell: Cell, unit: str) -> Row:
    op, kind, _ = unit.split(" : ")
    return {
        "id": f"{op} : {kind} : {cell.sample.index}",
        "op": op,
        "kind": kind,
        "status": cell.status,
        "detail": cell.detail,
        "aten": cell.aten,
    }


def died(unit: str) -> Row:
    """The row of a unit that ended its process."""
    op, kind, _ = unit.split(" : ")
    common: Row = {"op": op, "kind": kind, "aten": []}
    return {"id": f"{op} : {kind}", "status": CRASHED, "detail": "the process died", **common}
