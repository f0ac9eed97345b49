"""What a sweep has found so far: one line of JSON for each step, so that it goes on after a stop.

    {"unit": "add : int64", "begun": true}             a worker is at it
    {"unit": "add : int64", "cells": [{...}, ...]}     it is done

A unit that was begun and not done when its worker died is what killed it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class Journal:
    """A file that several processes append lines to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, unit: str) -> None:
        """Say that a worker is at a unit."""
        self._append({"unit": unit, "begun": True})

    def finish(self, unit: str, cells: list[Row]) -> None:
        """Keep what became of its samples."""
        self._append({"unit": unit, "cells": cells})

    def done(self) -> dict[str, list[Row]]:
        """The samples of each finished unit; of one done twice, the last."""
        return {r["unit"]: r["cells"] for r in self._rows() if "cells" in r}

    def open(self) -> set[str]:
        """The units that were begun last, and are not done."""
        found: set[str] = set()
        for row in self._rows():
            (found.add if "begun" in row else found.discard)(row["unit"])
        return found

    def _rows(self) -> list[Row]:
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def _append(self, row: Row) -> None:
        # One write to a file opened for appending: lines of two workers do not mix.
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{json.dumps(row)}\n".encode())
        os.close(handle)
