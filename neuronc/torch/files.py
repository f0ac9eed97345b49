"""`.pt2` files of `torch.export.save`, compiled from the command line.

A program is the path of its file or the bytes in it; `name` is what messages call it.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, cast

import torch
from jaxlib.mlir import ir
from torch.export import ExportedProgram

from neuronc import api
from neuronc.cache import LIMIT_BYTES, Explanation
from neuronc.checking import check
from neuronc.errors import InputError, NeuroncError
from neuronc.observe import Observer
from neuronc.pipeline import Progress, ignore, silent
from neuronc.torch.entry import compile_exported, export
from neuronc.torch.exported import Exported

FilePath = str | os.PathLike[str]
Source = FilePath | bytes
_SEE_LOG = "We ran into an error"
"""How torch's last word starts when its reasons are in its log only."""


def load_program(source: Source, name: str = "") -> ExportedProgram:
    """What was saved there.

    Raises:
        InputError: it is not a file of `torch.export.save`.
    """
    file: Any = BytesIO(source) if isinstance(source, bytes) else os.fspath(source)
    try:
        with _quietly():
            return cast(Any, torch.export).load(file)
    # Damaged files make zipfile, JSON, pickle and torch raise errors of every kind.
    except Exception as error:
        problem = f"this is no program of torch.export.save{_reason(error)}"
        hint = "write it with torch.export.save(program, path), by the torch that reads it"
        raise InputError(_named(source, name), problem, hint, code="NRC-0904") from None


def compile_file(
    source: Source,
    target: str,
    *,
    name: str = "",
    shapes: api.Shapes | None = None,
    external_weights: bool | FilePath = False,
    dump_ir: FilePath | None = None,
    observe: Observer = ignore,
    progress: Progress = silent,
    cache_dir: FilePath | None = None,
    cache_limit_bytes: int = LIMIT_BYTES,
) -> api.Compiled:
    """Compile a file; see `compile_model`."""
    return compile_exported(
        _export(source, name, shapes),
        target,
        external_weights=external_weights,
        dump_ir=dump_ir,
        name=_named(source, name),
        observe=observe,
        progress=progress,
        cache_dir=cache_dir,
        cache_limit_bytes=cache_limit_bytes,
    )


def explain_file(
    source: Source,
    target: str,
    *,
    cache_dir: FilePath,
    name: str = "",
    shapes: api.Shapes | None = None,
    external_weights: bool = False,
) -> Explanation:
    """Whether `compile_file` would find it in a cache, or what differs."""
    exported = _export(source, name, shapes)
    return api.explain_cache(
        exported.module,
        target,
        cache_dir=cache_dir,
        weights=exported.arrays(),
        named=external_weights,
        name=_named(source, name),
    )


def module_of_file(source: Source, name: str = "", shapes: api.Shapes | None = None) -> ir.Module:
    """A file as StableHLO, with its weights as arguments."""
    return _export(source, name, shapes).module


def check_file(
    source: Source, target: str, *, name: str = "", shapes: api.Shapes | None = None
) -> list[NeuroncError]:
    """Return an error for each thing that `compile_file` would refuse, without compiling."""
    try:
        module = module_of_file(source, name, shapes)
    except NeuroncError as error:
        return [error]
    return check(module, target, name=_named(source, name))


def _export(source: Source, name: str, shapes: api.Shapes | None) -> Exported:
    """The file as StableHLO; what is wrong with the program is said of the file."""
    program = load_program(source, name)
    try:
        with _quietly():
            return export(program, shapes=shapes)
    except NeuroncError as error:
        raise error.at(_named(source, name)) from error.__cause__


def _named(source: Source, name: str) -> str:
    return name or ("<bytes>" if isinstance(source, bytes) else os.fspath(source))


def _reason(error: Exception) -> str:
    """The first line of what torch says, if that is more than that there is a log."""
    first = (str(error).splitlines() or [""])[0]
    return "" if not first or first.startswith(_SEE_LOG) else f": {first}"


@contextmanager
def _quietly() -> Generator[None]:
    """Keep torch from warning of its own deprecations, and from logging tracebacks of files."""
    log = logging.getLogger("torch.export")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        log.setLevel(level)
