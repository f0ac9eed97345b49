"""Programs of `torch.export.save`: told apart by content, and read only where torch is there."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from neuronc.errors import InputError

MAGIC = b"PK\x03\x04"
"""How an archive starts; cut short, it is none for `zipfile`, and still no other program."""


def is_torch(source: Path | bytes) -> bool:
    """Whether a program is a `.pt2`: an archive, which no other program is."""
    return _head(source).startswith(MAGIC)


def torch_files(name: str) -> Any:
    """The module that reads them, imported now, since it takes torch with it.

    Raises:
        InputError: torch is not installed.
    """
    if find_spec("torch") is None:
        hint = "pip install 'neuronc[torch]'; on Linux take torch's CPU wheel"
        raise InputError(name, "this program needs PyTorch", hint, code="NRC-0903")
    return import_module("neuronc.torch.files")


def _head(source: Path | bytes) -> bytes:
    """The first bytes; none of what is no file, or cannot be read."""
    if isinstance(source, bytes):
        return source
    with suppress(OSError):
        if source.is_file():
            with source.open("rb") as file:
                return file.read(len(MAGIC))
    return b""
