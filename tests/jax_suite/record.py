"""What one test of JAX's came to, as a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

RIGHT = "right"
"""Passes, and neuronc ran every program of it."""
PART = "in part"
"""Passes, but neuronc refused some programs with a code, and XLA ran those."""
NONE = "no program"
"""Passes, and computes nothing."""
SKIPPED = "skipped"
"""JAX does not run it on CPU, or in this configuration."""
WRONG = "wrong"
"""Fails with neuronc, and passes on XLA."""
BOTH = "fails on XLA"
"""Fails here with and without neuronc."""
SLOW = "too long"
"""Not done within the time limit."""
CRASHED = "crashed"
"""Ended the process."""

STATUSES = (RIGHT, PART, NONE, SKIPPED, WRONG, BOTH, SLOW, CRASHED)
BAD = (WRONG, CRASHED)


@dataclass(frozen=True)
class Record:
    """One test."""

    test: str
    """File and name, as pytest selects it."""
    status: str
    seconds: float = 0.0
    programs: int = 0
    """Programs that neuronc ran."""
    refused: tuple[str, ...] = ()
    """The errors of the programs that it did not."""
    detail: str = ""
    """How it failed."""


def append(path: Path, record: Record) -> None:
    """Write at once, so that a process that dies has written all before."""
    with path.open("a") as file:
        file.write(json.dumps(asdict(record)) + "\n")


def read(path: Path) -> dict[str, Record]:
    """The last record of each test."""
    lines: Iterable[str] = path.read_text().splitlines() if path.exists() else ()
    rows = (json.loads(line) for line in lines)
    return {row["test"]: Record(**row | {"refused": tuple(row["refused"])}) for row in rows}
