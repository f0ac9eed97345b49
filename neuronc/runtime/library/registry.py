"""The table of library functions and what each is handed.

    entry(params, operands, results) -> arrays

`params` are the op's parameters under the specification's names (plain JSON values; `regions`
holds expression programs, see programs.py), `operands` whole arrays, `results` the shapes and
types to return. Entries never write into their operands, and may return views of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from neuronc.numerics.casting import Array

Params: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class ResultType:
    """Shape and element type of one result."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


Entry: TypeAlias = Callable[[Params, Sequence[Array], Sequence[ResultType]], list[Array]]

LIBRARY: dict[str, Entry] = {}
"""Entries by StableHLO op name without its dialect, filled by the modules of this package."""


def library(*names: str) -> Callable[[Entry], Entry]:
    """Register a function under one or more op names."""

    def register(entry: Entry) -> Entry:
        for name in names:
            assert name not in LIBRARY, f"{name} is registered twice"
            LIBRARY[name] = entry
        return entry

    return register
