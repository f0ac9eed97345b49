"""Everything that neuronc does not compile, reported together with source lines."""

from __future__ import annotations

from jaxlib.mlir import ir

from neuronc.dialects.stablehlo.dialect import OPS
from neuronc.errors import UnsupportedError
from neuronc.frontend.locations import Locations, given_name
from neuronc.frontend.mlir import operations, string_attribute
from neuronc.frontend.types import problem

UNSUPPORTED = frozenset(
    f"stablehlo.{name}"
    for name in (
        "async_done",
        "async_start",
        "composite",
        "cross-replica-sum",
        "dynamic_broadcast_in_dim",
        "dynamic_conv",
        "dynamic_gather",
        "dynamic_iota",
        "dynamic_pad",
        "dynamic_reshape",
        "get_dimension_size",
        "infeed",
        "outfeed",
        "real_dynamic_slice",
        "recv",
        "send",
        "set_dimension_size",
        "uniform_dequantize",
        "uniform_quantize",
    )
)
"""Operations that exist in the dialect, but mean nothing on this machine or are still dynamic."""

CUSTOM_CALLS: frozenset[str] = frozenset()
"""Targets of `stablehlo.custom_call` that later stages know."""

Problem = tuple[str, str]
"""Where, and what is not supported."""


def check(entry: ir.Operation, locations: Locations, name: str) -> None:
    """Raise one UnsupportedError that names everything."""
    problems = _argument_problems(entry, name)
    accepted: set[ir.Type] = set()
    for op in operations(entry):
        what = _operation_problem(op) or _type_problem(op, accepted)
        if what:
            problems.append((locations.line(op.location) or name, what))
    if problems:
        raise _error(problems, name)


def _argument_problems(entry: ir.Operation, name: str) -> list[Problem]:
    problems: list[Problem] = []
    for index, argument in enumerate(entry.regions[0].blocks[0].arguments):
        what = problem(argument.type)
        if what:
            label = f"argument {index} {given_name(argument.location)}".strip()
            problems.append((name, f"{what} of {label}"))
    return problems


def _operation_problem(op: ir.Operation) -> str:
    name = op.name
    if name == "stablehlo.custom_call":
        target = string_attribute(op, "call_target_name")
        return "" if target in CUSTOM_CALLS else f"{name} @{target}"
    if name == "func.return" or (name in OPS and name not in UNSUPPORTED):
        return ""
    return name


def _type_problem(op: ir.Operation, accepted: set[ir.Type]) -> str:
    """What is wrong with the type of a result; each type is looked at once."""
    for result in op.results:
        type_ = result.type
        if type_ in accepted:
            continue
        what = problem(type_)
        if what:
            return f"{what} of {op.name}"
        accepted.add(type_)
    return ""


def _error(problems: list[Problem], name: str) -> UnsupportedError:
    """One problem stands alone; several are listed, repeated ones once."""
    distinct = list(dict.fromkeys(problems))
    hint = _hint(distinct)
    if len(distinct) == 1:
        where, what = distinct[0]
        return UnsupportedError(where, f"{what} is not supported", hint)
    lines = "".join(f"\n  {where}: {what}" for where, what in distinct)
    return UnsupportedError(name, f"{len(distinct)} things are not supported{lines}", hint)


def _hint(problems: list[Problem]) -> str:
    if any(what.startswith("dynamic shape") for _, what in problems):
        return "give every argument a static shape: export with numbers, or pass shapes to refine"
    return "`neuronc ops` lists what neuronc compiles; move the rest to the host"
