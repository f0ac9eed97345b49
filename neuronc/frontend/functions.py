"""The CHLO functions that are kept as one operation, however a producer spells them.

    stablehlo.composite "chlo.erf"    (portable artifacts)   becomes chlo.erf
    mhlo.erf                          (HLO protos)           becomes chlo.erf
    stablehlo.custom_call @mhlo.erf   (older artifacts)      becomes chlo.erf

The parameters of a function come along, from wherever its disguise keeps them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from jaxlib.mlir import ir

from neuronc.dialects.stablehlo.dialect import CHLO
from neuronc.frontend.mlir import name_of, operations, replace, string_attribute

KEPT = frozenset(op.name for op in CHLO.operations)

HIDDEN = "neuronc.kept."
"""Prefix of the custom calls that stand for kept operations while CHLO is expanded."""

SPELLINGS = {"topk": "top_k"}
"""MHLO names that differ from CHLO's by more than the prefix."""

CUSTOM_CALL = "stablehlo.custom_call"


def is_kept(op: ir.Operation) -> bool:
    """Whether an operation is one of the kept functions."""
    return name_of(op) in KEPT


def restore_kept(module: ir.Module) -> None:
    """Give the kept functions their CHLO form."""
    for op in operations(module.operation):
        name = _kept_name(op)
        if name:
            _rebuild(op, name, _parameters(op))


def hide_kept(ops: Iterable[ir.Operation]) -> None:
    """Turn kept functions into custom calls that no pass touches."""
    for op in ops:
        if is_kept(op):
            call = {"call_target_name": ir.StringAttr.get(HIDDEN + name_of(op))}
            own = {f"{HIDDEN}{name}": value for name, value in op.attributes.items()}
            _rebuild(op, CUSTOM_CALL, call | own)


def unhide_kept(module: ir.Module) -> None:
    """Invert `hide_kept`."""
    for op in operations(module.operation):
        target = string_attribute(op, "call_target_name")
        if target.startswith(HIDDEN):
            own = {
                name.removeprefix(HIDDEN): value
                for name, value in op.attributes.items()
                if name.startswith(HIDDEN)
            }
            _rebuild(op, target.removeprefix(HIDDEN), own)


def _kept_name(op: ir.Operation) -> str:
    """The CHLO name of an operation that is a kept function in disguise, or empty."""
    name = name_of(op)
    if name == "stablehlo.composite":
        name = string_attribute(op, "name")
    elif name == CUSTOM_CALL:
        name = string_attribute(op, "call_target_name")
    dialect, _, function = name.partition(".")
    chlo = f"chlo.{SPELLINGS.get(function, function)}"
    return chlo if dialect in ("chlo", "mhlo") and chlo in KEPT and chlo != name_of(op) else ""


def _parameters(op: ir.Operation) -> dict[str, ir.Attribute]:
    """The function's own parameters, wherever the disguise keeps them."""
    for field in ("composite_attributes", "mhlo.attributes"):
        attribute = op.attributes.get(field)
        if isinstance(attribute, ir.DictAttr):
            named = [attribute[index] for index in range(len(attribute))]
            return {member.name: member.attr for member in named if member.name == "k"}
    return {name: value for name, value in op.attributes.items() if name == "k"}


def _rebuild(op: ir.Operation, name: str, attributes: Mapping[str, ir.Attribute]) -> None:
    """Replace an operation by one of another name and the same operands and results."""
    made = ir.Operation.create(
        name,
        results=[result.type for result in op.results],
        operands=list(op.operands),
        attributes=dict(attributes),
        loc=op.location,
        ip=ir.InsertionPoint(op),
    )
    replace(op, list(made.results))
