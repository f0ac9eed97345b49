"""Measurements of others with the schedule that was measured: published rows, and a user's own.

A file of rows is a JSON list of objects:

    {"name": "mine", "target": "trn2", "milliseconds": 1.3,
     "matmul": {"m": 1000, "k": 2048, "n": 3000, "dtype": "bf16", "schedule": "hoisted"}}

`schedule` is a name of matmul_schedule.NAMES; in its place there may be the fields of `Matmul`
(order, block, wide_loads, out_dtype, buffers). Instead of `matmul` there may be `mamba` with the
fields of `Mamba`, or `activations` with the length of a chain. Without `milliseconds` the row is
only modelled.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from mamba_schedule import Mamba
from matmul_schedule import Matmul, named
from schedules import Schedule, dependent_activations

from neuronc.hardware import GENERATIONS


@dataclass(frozen=True)
class Activations:
    """A chain of one-element activations, each of the result of the one before."""

    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"activations is {self.count}; it must be at least 1")


@dataclass(frozen=True)
class Row:
    """One measurement."""

    number: int
    """In the hardware reference, 7.1; 0 for a user's own."""
    name: str
    target: str
    milliseconds: float | None
    schedule: Matmul | Mamba | Activations

    def build(self) -> Schedule:
        """The schedule as records."""
        hw = GENERATIONS[self.target]
        if isinstance(self.schedule, Activations):
            return dependent_activations(hw, self.schedule.count)
        return self.schedule.schedule(hw)


_SHAPE = (4096, 8192, 8192)


def _tutorial(number: int, name: str, target: str, milliseconds: float, dtype: str) -> Row:
    title = f"matmul {dtype}, {name}"
    return Row(number, title, target, milliseconds, named(name, *_SHAPE, dtype))


# 4,096 channels at 512, 1,024, ... 8,192 tokens: the sweep below the table of 7.1.
_MAMBA_V3 = {1024: 3.3, 2048: 6.6, 3072: 10.1, 4096: 13.3, 5120: 17.3, 6144: 19.6, 7168: 24.2}

PUBLISHED = (
    _tutorial(2, "tiled", "trn1", 51.80, "bf16"),
    _tutorial(2, "hoisted", "trn1", 42.96, "bf16"),
    _tutorial(2, "blocked", "trn1", 22.07, "bf16"),
    _tutorial(1, "blocked-k", "trn1", 6.97, "bf16"),
    _tutorial(3, "tiled", "trn2", 39.9, "f32"),
    _tutorial(4, "hoisted", "trn2", 28.2, "f32"),
    _tutorial(5, "blocked", "trn2", 28.4, "f32"),
    _tutorial(5, "blocked-k", "trn2", 28.30, "f32"),
    Row(9, "Mamba v1, 256 channels", "trn1", 0.17293, Mamba(256, 512, reload=True)),
    Row(10, "Mamba v1, 4,096 channels", "trn1", 2.34, Mamba(4096, 512, reload=True)),
    Row(10, "Mamba v2, 4,096 channels", "trn1", 1.61, Mamba(4096, 512)),
    *(
        Row(11, f"Mamba v3, {tokens:,} tokens", "trn1", time, Mamba(4096, tokens))
        for tokens, time in {**_MAMBA_V3, 8192: 27.8}.items()
    ),
    Row(16, "1,000 dependent activations", "trn1", 0.189, Activations(1000)),
)


def read(path: Path) -> list[Row]:
    """The rows of a file.

    Raises:
        ValueError: if the file is not such a list; names the row and what is wrong with it.
    """
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
    if not isinstance(found, list):
        raise ValueError(f"{path}: expected a list of rows, found {type(found).__name__}")
    return [_row(path, i, entry) for i, entry in enumerate(cast("list[Any]", found))]


def _row(path: Path, index: int, entry: Any) -> Row:
    try:
        return parse(entry)
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: row {index}: {error}") from None


def parse(entry: dict[str, Any]) -> Row:
    """One row of a file.

    Raises:
        ValueError: if a key is missing or unknown, or a value is out of range.
        TypeError: if the schedule has a field that there is not, or lacks one.
    """
    kinds: dict[str, Callable[[Any], Matmul | Mamba | Activations]] = {
        "matmul": _matmul,
        "mamba": lambda fields: Mamba(**fields),
        "activations": Activations,
    }
    unknown = entry.keys() - {"name", "target", "milliseconds", *kinds}
    (kind, *others) = [name for name in kinds if name in entry] or [""]
    if unknown or others or not kind:
        raise ValueError(f"expected one of {', '.join(kinds)}; found {', '.join(entry)}")
    target, time = entry.get("target", "trn2"), entry.get("milliseconds")
    if target not in GENERATIONS:
        raise ValueError(f"unknown target {target!r}; there are {', '.join(GENERATIONS)}")
    if time is not None and not time > 0:
        raise ValueError(f"milliseconds is {time}; it must be above 0")
    return Row(0, str(entry.get("name", kind)), target, time, kinds[kind](entry[kind]))


def _matmul(fields: dict[str, Any]) -> Matmul:
    if "schedule" in fields:
        return named(**{"name" if key == "schedule" else key: v for key, v in fields.items()})
    shape = dict(fields)
    block = cast("tuple[int, int, int]", tuple(shape.pop("block", (1, 1, 1))))
    return Matmul(block=block, **shape)
