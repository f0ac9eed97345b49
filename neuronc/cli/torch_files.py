"""Programs of `torch.export.save`: told apart by content, and read only where torch is there."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from neuronc.errors import InputError


def is_torch(source: Path | bytes) -> bool:
    """Whether a file is a `.pt2`: an archive, which no other program is."""
    return isinstance(source, Path) and source.is_file() and is_zipfile(source)


def torch_files(name: str) -> Any:
    """The module that reads them, imported now, since it takes torch with it.

    Raises:
        InputError: torch is not installed.
    """
    if find_spec("torch") is None:
        hint = "pip install 'neuronc[torch]'; on Linux take torch's CPU wheel"
        raise InputError(name, "this program needs PyTorch", hint, code="NRC-0903")
    return import_module("neuronc.torch.files")
