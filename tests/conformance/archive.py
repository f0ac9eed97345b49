"""Where cases come from: an archive, and the `cases.py` beside it that reads and compares."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
REPOSITORY = Path(__file__).parents[2]
SHARED = Path(os.environ.get("NEURONC_CASES", REPOSITORY.parent / "shared" / "stablehlo"))
"""The folder of `cases.zip` and `cases.py`."""


class Case(Protocol):
    """One program, what to feed it, and what must come out; `cases.py` defines it."""

    id: str
    suite: str
    ops: tuple[str, ...]
    program: str
    inputs: list[Array]
    expected: list[Array]
    checks: list[tuple[str, float]]

    def check(self, outputs: list[Array]) -> list[str]:
        """One message per output that does not hold."""
        ...


def read_cases(path: Path, only: str = "") -> Iterator[Case]:
    """The cases of the archive whose id contains `only`."""
    for case in loader(path).cases(path):
        if only in case.id:
            yield case


def loader(path: Path) -> ModuleType:
    """`cases.py` from the archive's folder, else from the shared one."""
    name = "neuronc_conformance_cases"
    if name not in sys.modules:
        places = [path.parent / "cases.py", SHARED / "cases.py"]
        place = next((p for p in places if p.exists()), None)
        if place is None:
            raise FileNotFoundError(f"no cases.py: looked for {places[0]} and {places[1]}")
        spec = importlib.util.spec_from_file_location(name, place)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]
