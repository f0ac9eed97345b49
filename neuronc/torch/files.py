"""`.pt2` files of `torch.export.save`, compiled from the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import torch
from jaxlib.mlir import ir
from torch.export import ExportedProgram

from neuronc import api
from neuronc.checking import check
from neuronc.errors import InputError, NeuroncError
from neuronc.observe import Observer
from neuronc.pipeline import ignore
from neuronc.torch.entry import compile_model, export

FilePath = str | os.PathLike[str]


def load_program(path: FilePath) -> ExportedProgram:
    """What was saved there.

    Raises:
        InputError: it is not a file of `torch.export.save`.
    """
    try:
        return cast(Any, torch.export).load(os.fspath(path))
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        problem = f"this is no program of torch.export.save: {str(error).splitlines()[0]}"
        hint = "write it with torch.export.save(program, path), by the torch that reads it"
        raise InputError(os.fspath(path), problem, hint, code="NRC-0904") from None


def compile_file(
    path: FilePath,
    target: str,
    *,
    shapes: api.Shapes | None = None,
    external_weights: bool | FilePath = False,
    dump_ir: FilePath | None = None,
    observe: Observer = ignore,
) -> api.Compiled:
    """Compile a file; see `compile_model`."""
    return compile_model(
        load_program(path),
        target=target,
        shapes=shapes,
        external_weights=external_weights,
        dump_ir=dump_ir,
        name=Path(path).name,
        observe=observe,
    )


def module_of_file(path: FilePath, shapes: api.Shapes | None = None) -> ir.Module:
    """A file as StableHLO, with its weights as arguments."""
    return export(load_program(path), shapes=shapes).module


def check_file(
    path: FilePath, target: str, *, shapes: api.Shapes | None = None
) -> list[NeuroncError]:
    """Return an error for each thing that `compile_file` would refuse, without compiling."""
    try:
        module = module_of_file(path, shapes)
    except NeuroncError as error:
        return [error]
    return check(module, target, name=Path(path).name)
