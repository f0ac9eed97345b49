"""Sharding annotations, which mean nothing in a program of one core.

    %1 = sdy.sharding_constraint %0 <@mesh, [..]>      %1 becomes %0
    %1 = stablehlo.custom_call @Sharding(%0)           %1 becomes %0
    sdy.mesh @mesh = <..>                              erased

Programs for several cores are partitioned before they come here.
"""

from __future__ import annotations

from collections.abc import Iterable

from jaxlib.mlir import ir

from neuronc.frontend.mlir import name_of, operations, replace, string_attribute

ANNOTATIONS = frozenset(
    ("sdy.sharding_constraint", "sdy.reshard", "sdy.propagation_barrier", "mhlo.copy")
)
PREFIX = "sdy."
CONSTANT = "stablehlo.constant"
ERASED = frozenset(("sdy.mesh", "sdy.sharding_group"))
TARGETS = frozenset(("Sharding", "annotate_device_placement"))


def drop_sharding(module: ir.Module) -> None:
    """Forward annotated values; erase annotations, and meshes with all that names them."""
    ops = operations(module.operation)
    if any(name_of(op) in ERASED for op in ops):
        _drop_attributes(ops)
    for op in ops:
        if _is_annotation(op):
            replace(op, list(op.operands))
        elif name_of(op) in ERASED:
            op.erase()


def _drop_attributes(ops: Iterable[ir.Operation]) -> None:
    """Erase attributes that name meshes, of operations and of a function's arguments.

    Constants have none, and the bindings fail on the payload of complex ones.
    """
    for op in ops:
        attributes = [] if name_of(op) == CONSTANT else op.attributes.items()
        for name, attribute in attributes:
            if name.startswith(PREFIX):
                del op.attributes[name]
            elif name in ("arg_attrs", "res_attrs"):
                op.attributes[name] = _without_sharding(ir.ArrayAttr(attribute))


def _without_sharding(members: ir.ArrayAttr) -> ir.ArrayAttr:
    return ir.ArrayAttr.get([_filtered(ir.DictAttr(member)) for member in members])


def _filtered(named: ir.DictAttr) -> ir.DictAttr:
    kept = [named[k] for k in range(len(named)) if not named[k].name.startswith(PREFIX)]
    return ir.DictAttr.get({member.name: member.attr for member in kept})


def _is_annotation(op: ir.Operation) -> bool:
    if name_of(op) == "stablehlo.custom_call":
        return string_attribute(op, "call_target_name") in TARGETS
    return name_of(op) in ANNOTATIONS
