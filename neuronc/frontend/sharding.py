"""Sharding annotations, which mean nothing in a program of one core.

%1 = sdy.sharding_constraint %0 <@mesh, [..]>      %1 becomes %0
%1 = stablehlo.custom_call @Sharding(%0)           %1 becomes %0
sdy.mesh @mesh = <..>                              erased
"""

from __future__ import annotations

from jaxlib.mlir import ir

from neuronc.frontend.mlir import name_of, operations, replace, string_attribute

ANNOTATIONS = frozenset(
    ("sdy.sharding_constraint", "sdy.reshard", "sdy.propagation_barrier", "mhlo.copy")
)
ERASED = frozenset(("sdy.mesh", "sdy.sharding_group"))
TARGETS = frozenset(("Sharding", "annotate_device_placement"))


def drop_sharding(module: ir.Module) -> None:
    """Forward annotated values and erase annotations and meshes."""
    for op in operations(module.operation):
        if _is_annotation(op):
            replace(op, list(op.operands))
        elif name_of(op) in ERASED:
            op.erase()


def _is_annotation(op: ir.Operation) -> bool:
    if name_of(op) == "stablehlo.custom_call":
        return string_attribute(op, "call_target_name") in TARGETS
    return name_of(op) in ANNOTATIONS
