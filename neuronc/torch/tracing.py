"""`torch.export` itself, with its own refusals as errors of ours.

A model whose Python looks at values (`if x.sum() > 0`), or makes shapes of them, has no one graph.
Torch says so in one of a dozen exceptions and a page of text; what remains is the cause and where.
Errors that the model itself raises pass as they are, unless it raises none outside of an export.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, cast

import torch
from torch.export import ExportedProgram

from neuronc.errors import UnsupportedError
from neuronc.torch.caches import register_caches
from neuronc.torch.conversions import conversions_without_effect

REFUSALS = {
    "torch._dynamo.exc": ("TorchDynamoException",),
    "torch._subclasses.fake_tensor": (
        "DataDependentOutputException",
        "DynamicOutputShapeException",
        "UnsupportedFakeTensorException",
        "UnsupportedOperatorException",
    ),
    "torch.fx.experimental.symbolic_shapes": (
        "GuardOnDataDependentSymNode",
        "PendingUnbackedSymbolNotFound",
    ),
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
        return _exported(model, args, kwargs, dynamic_shapes, strict)
    except _refusals() as refusal:
        name = type(model).__name__
        hint = "keep Python off values: torch.cond or torch.where instead of `if`, fixed shapes"
        problem = f"torch.export cannot trace {name}: {_cause(refusal)}"
        raise UnsupportedError("model", problem, hint, code="NRC-0905") from refusal
    except Exception as failure:
        if strict:
            raise
        return _as_in_eager(failure, model, args, kwargs, dynamic_shapes)


def _exported(model: torch.nn.Module, args: Any, kwargs: Any, shapes: Any, strict: bool) -> Any:
    with torch.no_grad(), conversions_without_effect():
        return torch.export.export(model, args, dict(kwargs), dynamic_shapes=shapes, strict=strict)


def _as_in_eager(
    failure: Exception, model: torch.nn.Module, args: Any, kwargs: Any, shapes: Any
) -> ExportedProgram:
    """The program of a model that fails where it takes another way because it is exported.

    Hugging Face's models ask `torch.compiler.is_exporting`, and then make masks that some of them
    refuse. Asked again, they get the answer that they have without us; what fails still, fails
    with the first error.
    """
    try:
        with _unannounced():
            return _exported(model, args, kwargs, shapes, False)
    except Exception:
        raise failure from None


@contextmanager
def _unannounced() -> Generator[None]:
    """Within, models are not told that they are compiled or exported."""
    known = {name: getattr(torch.compiler, name) for name in ("is_compiling", "is_exporting")}
    try:
        for name in known:
            setattr(torch.compiler, name, lambda: False)
        yield
    finally:
        for name, answer in known.items():
            setattr(torch.compiler, name, answer)


def check_model(model: Any, args: Any) -> None:
    """Refuse what is no module, and arguments that are no sequence.

    Raises:
        UnsupportedError: torch's own words for it would be a failure inside of torch.
    """
    if not isinstance(model, torch.nn.Module) or isinstance(model, torch.jit.ScriptModule):
        hint = "give a torch.nn.Module; one of a function is a class whose forward calls it"
        problem = f"torch.export cannot trace {type(model).__name__} {_name_of(model)!r}"
        raise UnsupportedError("model", problem, hint, code="NRC-0905")
    if isinstance(args, torch.Tensor):
        problem = "the arguments are one tensor, not a sequence of arguments"
        raise UnsupportedError("args", problem, "write (x,)", code="NRC-0905")


def _name_of(model: Any) -> str:
    return getattr(model, "__name__", None) or getattr(model, "original_name", "")


def decompose(program: ExportedProgram, table: Mapping[Any, Any]) -> ExportedProgram:
    """The program in operations that the table does not take apart.

    Raises:
        UnsupportedError: it has a `while_loop` inside of a `cond`, on which torch 2.13 fails.
    """
    run = cast(Any, program).run_decompositions
    try:
        with torch.no_grad():
            return run(dict(table))
    except RuntimeError as failure:
        if "FunctionalTensor" not in str(failure):
            raise
        hint = 'torch.compile(model, backend="neuronc") takes it'
        problem = "torch cannot take its own program apart: a while_loop lies inside a cond"
        raise UnsupportedError("program", problem, hint, code="NRC-0905") from failure


def _refusals() -> tuple[type[BaseException], ...]:
    found = ((getattr(import_module(m), n, None)) for m, names in REFUSALS.items() for n in names)
    return tuple(kind for kind in found if kind is not None)


def _cause(refusal: BaseException) -> str:
    """The first line of torch's text, and the line of the model that it blames."""
    lines = [line.strip() for line in str(refusal).splitlines() if line.strip()]
    blamed = [line for line in lines[1:] if line.startswith("Caused by:")]
    return "\n    ".join([*(lines[:1] or [type(refusal).__name__]), *blamed[:1]])
