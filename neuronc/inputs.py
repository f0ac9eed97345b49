"""What callers give, brought to one form: programs and their names, targets, shapes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from neuronc.errors import InputError
from neuronc.frontend.source import Source, is_program_text
from neuronc.hardware import GENERATIONS

FilePath = str | os.PathLike[str]
Shape = int | Sequence[int]
Shapes = Mapping[int | str, Shape]
"""Shapes of arguments by position or name (`arg0` is position 0), extents of symbols by name."""


def identify(module: Source, name: str) -> tuple[Source, str]:
    """A path becomes a `Path`, or, where it can be read only once, its bytes; with its name."""
    if isinstance(module, str) and is_program_text(module):
        return module, name
    if not isinstance(module, str | os.PathLike):
        return module, name
    path = Path(module)
    once = path.exists() and not path.is_file() and not path.is_dir()
    return (path.read_bytes() if once else path), os.fspath(module)


def known(target: str) -> str:
    """The target, if there is one of that name.

    Raises:
        InputError: there is none.
    """
    if target not in GENERATIONS:
        hint = f"known: {', '.join(GENERATIONS)}"
        raise InputError("target", f"there is no {target!r}", hint, code="NRC-0705")
    return target


def by_position(shapes: Shapes | None) -> dict[int | str, Shape]:
    """The shapes, where `arg0`, `arg1`, ... became positions; other names stay."""
    return {_position(key): shape for key, shape in (shapes or {}).items()}


def _position(key: int | str) -> int | str:
    if isinstance(key, str) and key.startswith("arg") and key[3:].isdecimal():
        return int(key[3:])
    return key
