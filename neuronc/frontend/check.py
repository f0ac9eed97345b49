"""Everything that neuronc does not compile, reported together with source lines."""

from __future__ import annotations

from collections.abc import Iterator

from jaxlib.mlir import ir

from neuronc.dialects.stablehlo.dialect import OPS
from neuronc.errors import UnsupportedError
from neuronc.frontend.locations import Locations
from neuronc.frontend.mlir import operations, string_attribute
from neuronc.frontend.shapes import DYNAMIC_OPS, dynamic_arguments
from neuronc.frontend.types import problem

UNSUPPORTED = DYNAMIC_OPS | frozenset(
    f"stablehlo.{name}"
    for name in (
        "async_done",
        "async_start",
        "composite",
        "cross-replica-sum",
        "infeed",
        "outfeed",
        "recv",
        "send",
        "uniform_dequantize",
        "uniform_quantize",
    )
)
"""Operations that the dialect has, but that mean nothing on this machine or are still dynamic."""

CUSTOM_CALLS: frozenset[str] = frozenset()
"""Targets of `stablehlo.custom_call` that later stages know."""

HINT = "`neuronc ops` lists what neuronc compiles; move the rest to the host"
SHAPE_HINT = "export with static shapes, or give the shapes of these arguments"

Problem = tuple[str, str]
"""Where, and what is not supported."""


def check(entry: ir.Operation, locations: Locations, name: str) -> None:
    """Raise one UnsupportedError that names everything.

    Dynamic arguments come first and alone: what follows from them says nothing new.
    """
    dynamic = dynamic_arguments(entry)
    if dynamic:
        raise _error([(name, what) for what in dynamic], name, SHAPE_HINT)
    problems = list(_problems(entry, locations))
    if problems:
        raise _error(problems, name, HINT)


def _problems(entry: ir.Operation, locations: Locations) -> Iterator[Problem]:
    seen: dict[ir.Type, str] = {}
    for index, argument in enumerate(entry.regions[0].blocks[0].arguments):
        what = _type_problem(argument.type, seen)
        if what:
            yield locations.place(argument.location), f"{what} of argument {index}"
    for op in operations(entry):
        what = _operation_problem(op) or _result_problem(op, seen)
        if what:
            yield locations.place(op.location), what + locations.scope(op.location)


def _operation_problem(op: ir.Operation) -> str:
    name = op.name
    if name == "stablehlo.custom_call":
        target = string_attribute(op, "call_target_name")
        return "" if target in CUSTOM_CALLS else f"{name} @{target}"
    if name == "func.return" or (name in OPS and name not in UNSUPPORTED):
        return ""
    return name


def _result_problem(op: ir.Operation, seen: dict[ir.Type, str]) -> str:
    whats = (_type_problem(result.type, seen) for result in op.results)
    return next((f"{what} of {op.name}" for what in whats if what), "")


def _type_problem(type_: ir.Type, seen: dict[ir.Type, str]) -> str:
    """What is wrong with a type; each is looked at once."""
    if type_ not in seen:
        seen[type_] = problem(type_)
    return seen[type_]


def _error(problems: list[Problem], name: str, hint: str) -> UnsupportedError:
    """One problem stands alone; several are listed, repeated ones once."""
    distinct = list(dict.fromkeys(problems))
    if len(distinct) == 1:
        where, what = distinct[0]
        return UnsupportedError(where, f"{what} is not supported", hint)
    lines = "".join(f"\n  {where}: {what}" for where, what in distinct)
    return UnsupportedError(name, f"{len(distinct)} things are not supported{lines}", hint)
