"""From a PyTorch model to an artifact: export, emit, compile."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from neuronc import api
from neuronc.artifact.constants import sha256_of
from neuronc.artifact.model import Artifact, Constant
from neuronc.cache import LIMIT_BYTES
from neuronc.errors import UnsupportedError
from neuronc.hardware import DEFAULT_TARGET
from neuronc.observe import Observer
from neuronc.pipeline import Progress, ignore, silent
from neuronc.torch.agreement import check_agrees
from neuronc.torch.exported import Exported, export_program, loses_state
from neuronc.torch.known import put_known
from neuronc.torch.shapes import respecialise
from neuronc.torch.tracing import check_model, trace

Model = torch.nn.Module | ExportedProgram
FilePath = str | os.PathLike[str]


def export(
    model: Model,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    dynamic_shapes: Any = None,
    *,
    shapes: api.Shapes | None = None,
    strict: bool = False,
    verify: bool = False,
) -> Exported:
    """A model, or what `torch.export.export` made of it, as StableHLO with its weights beside it.

    With `dynamic_shapes`, as torch takes them, `shapes` must name the extents of one bucket:
    shapes of inputs by name or position, or extents of symbols. With `verify`, the model and what
    torch made of it are both run on the arguments, in PyTorch, and compared.

    Raises:
        InputError: shapes are missing or do not fit.
        UnsupportedError: some operations are not supported; it lists all of them. Or torch's
            program is shown to compute something else.
    """
    program = _program(model, args, kwargs, dynamic_shapes, strict)
    if verify:
        check_agrees(program, model, tuple(args), kwargs or {})
    return export_program(put_known(respecialise(program, shapes or {})))


def compile_model(
    model: Model,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    target: str = DEFAULT_TARGET,
    *,
    dynamic_shapes: Any = None,
    shapes: api.Shapes | None = None,
    external_weights: bool | FilePath = False,
    strict: bool = False,
    verify: bool = False,
    dump_ir: FilePath | None = None,
    name: str = "",
    observe: Observer = ignore,
    cache_dir: FilePath | None = None,
) -> api.Compiled:
    """Compile a model with its weights; `neuronc.load` of the result takes the inputs, flattened.

    With `external_weights` they stay out of the artifact: any safetensors file that has them under
    the names of the `state_dict` will do when it is loaded. A path says where `save` writes one.

    Raises:
        NeuroncError: the model is not supported, or does not fit the target.
    """
    choices: Any = {"shapes": shapes, "strict": strict, "verify": verify}
    exported = export(model, args, kwargs, dynamic_shapes, **choices)
    return compile_exported(
        exported,
        target,
        external_weights=external_weights,
        dump_ir=dump_ir,
        name=name or type(model).__name__,
        observe=observe,
        cache_dir=cache_dir,
    )


def compile_exported(
    exported: Exported,
    target: str = DEFAULT_TARGET,
    *,
    external_weights: bool | FilePath = False,
    dump_ir: FilePath | None = None,
    name: str = "model",
    observe: Observer = ignore,
    progress: Progress = silent,
    cache_dir: FilePath | None = None,
    cache_limit_bytes: int = LIMIT_BYTES,
) -> api.Compiled:
    """The same for a model that is StableHLO already."""
    named = external_weights is not False
    if not named:
        _check_values(exported)
    compiled = api.compile(
        exported.module,
        target,
        weights=exported.arrays(),
        named=named,
        dump_ir=dump_ir,
        name=name,
        observe=observe,
        progress=progress,
        cache_dir=cache_dir,
        cache_limit_bytes=cache_limit_bytes,
    )
    if not named:
        return compiled
    path = None if isinstance(external_weights, bool) else Path(external_weights)
    return replace(compiled, model=_detached(compiled.model, exported), external_weights=path)


def _check_values(exported: Exported) -> None:
    """Refuse weights without values where they are to be part of the artifact."""
    empty = [name for name, tensor in exported.weights.items() if tensor.device.type == "meta"]
    if empty:
        problem = f"{empty[0]!r} and {len(empty) - 1} more weights are on the meta device, empty"
        hint = "leave them out of the artifact: external_weights=True"
        raise UnsupportedError("weights", problem, hint, code="NRC-0912")


def _detached(artifact: Artifact, exported: Exported) -> Artifact:
    """The weights that have values with their checksums, those of the meta device without any."""
    constants = [_detached_one(c, exported) for c in artifact.constants]
    return replace(artifact, constants=tuple(constants))


def _detached_one(constant: Constant, exported: Exported) -> Constant:
    if not constant.external or constant.array is None:
        return constant
    if exported.weights[constant.external].device.type == "meta":
        return replace(constant, array=None)
    return replace(constant, sha256=sha256_of(constant.array))


def _program(
    model: Model, args: Sequence[Any], kwargs: Any, dynamic_shapes: Any, strict: bool
) -> ExportedProgram:
    if isinstance(model, ExportedProgram):
        return model
    check_model(model, args)
    given = tuple(args), dict(kwargs or {})
    program = trace(model, *given, dynamic_shapes, strict)
    if not strict and loses_state(program):
        return trace(model, *given, dynamic_shapes, True)
    return program
