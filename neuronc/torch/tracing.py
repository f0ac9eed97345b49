"""`torch.export` itself, with its own refusals as errors of ours.

A model whose Python looks at values (`if x.sum() > 0`), or makes shapes of them, has no one graph.
Torch says so in one of a dozen exceptions and a page of text; what remains is the cause and where.
Errors that the model itself raises pass as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch
from torch.export import ExportedProgram

from neuronc.errors import UnsupportedError
from neuronc.torch.caches import register_caches

REFUSALS = {
    "torch._dynamo.exc": ("TorchDynamoException",),
    "torch._subclasses.fake_tensor": (
        "DataDependentOutputException",
        "DynamicOutputShapeException",
        "UnsupportedFakeTensorException",
        "UnsupportedOperatorException",
    ),
    "torch.fx.experimental.symbolic_shapes": ("GuardOnDataDependentSymNode",),
}
"""Exceptions by which torch says that it cannot trace, by module."""


def trace(
    model: torch.nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    dynamic_shapes: Any,
    strict: bool,
) -> ExportedProgram:
    """The program of a model for these arguments.

    Raises:
        UnsupportedError: torch cannot trace it.
    """
    register_caches(model)
    try:
        with torch.no_grad():
            return torch.export.export(
                model, args, dict(kwargs), dynamic_shapes=dynamic_shapes, strict=strict
            )
    except _refusals() as refusal:
        name = type(model).__name__
        hint = "keep Python off values: torch.cond or torch.where instead of `if`, fixed shapes"
        problem = f"torch.export cannot trace {name}: {_cause(refusal)}"
        raise UnsupportedError("model", problem, hint, code="NRC-0905") from refusal


def _refusals() -> tuple[type[BaseException], ...]:
    found = ((getattr(import_module(m), n, None)) for m, names in REFUSALS.items() for n in names)
    return tuple(kind for kind in found if kind is not None)


def _cause(refusal: BaseException) -> str:
    """The first line of torch's text, and the line of the model that it blames."""
    lines = [line.strip() for line in str(refusal).splitlines() if line.strip()]
    blamed = [line for line in lines[1:] if line.startswith("Caused by:")]
    return "\n    ".join([*(lines[:1] or [type(refusal).__name__]), *blamed[:1]])
