"""What runs each operation at each element type, as executions showed it.

    {"stablehlo.add": {"f32": ["vector"], "i64": ["library"], "quant i8": ["vector"]}, ...}

An entry lists the engines that ran the operation: `dma` where it only moved, nothing where it left
no instruction of its own (a view, or folded away), or the code with which every form of it is
refused. Types that StableHLO itself does not allow have no entry. The data come from
`python -m tests.sweep --write`: programs that ran, and whose results others confirmed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TypeAlias

from neuronc.errors import InputError

Coverage: TypeAlias = Mapping[str, Mapping[str, tuple[str, ...]]]

ENGINES = ("tensor", "vector", "scalar", "gpsimd", "dma", "library")
FOLDED = "folded"
REFUSED = "refused"
COLUMNS = (*ENGINES, FOLDED, REFUSED)
FILE = "coverage.json"


@cache
def coverage() -> Coverage:
    """Engines, or a code, by operation and element type."""
    data = json.loads((files("neuronc") / "data" / FILE).read_text())
    return {
        op: {kind: tuple(engines) for kind, engines in kinds.items()} for op, kinds in data.items()
    }


def by_engine(kinds: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """The element types of one operation under each engine that runs them.

    Refused ones have their code beside them.
    """
    found: dict[str, list[str]] = {column: [] for column in COLUMNS}
    for kind, engines in kinds.items():
        for column, text in _places(kind, engines):
            found[column].append(text)
    return {column: texts for column, texts in found.items() if texts}


def _places(kind: str, engines: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if not engines:
        yield FOLDED, kind
    for engine in engines:
        if engine in ENGINES:
            yield engine, kind
        else:
            yield REFUSED, f"{kind} ({engine})"


def operations(names: Sequence[str]) -> Coverage:
    """The rows of some operations, of all if none are named.

    Raises:
        InputError: there is no operation of that name.
    """
    table = coverage()
    unknown = next((name for name in names if name not in table), None)
    if unknown is not None:
        hint = "names are as in a program, stablehlo.add; `neuronc ops` lists all"
        raise InputError(unknown, "there is no such operation", hint, code="NRC-0707")
    return {name: table[name] for name in names or table}
