"""Approximate searches, done exactly: the approximation is a matter of another machine.

  %2:2 = custom_call @ApproxTopK(%x, %i, ..) {called_computations = [@greater], top_k = 2}
becomes
  %2:2 = sort(%x, %i) by @greater, stable;  slice both to [0:2]

Of symbolic shapes jax writes the same with their sizes as further operands; a symbolic k comes
right behind the initial values, in @stablehlo.dynamic_approx_top_k. These wait until refined.
"""

from __future__ import annotations

from jaxlib.mlir import ir

from neuronc.frontend.called import called_function, fill_region
from neuronc.frontend.mlir import integers, operations, replace, string_attribute

CONFIG = "mhlo.backend_config"


def search_exactly(module: ir.Module) -> bool:
    """Replace every approximate search whose results have the exact extent; whether one was."""
    found = [op for op in operations(module.operation) if _is_exact(op)]
    for op in found:
        ordered = _sort(op, called_function(module, op))
        replace(op, [_head(op, value, k) for k, value in enumerate(ordered.results)])
    return bool(found)


def _is_exact(op: ir.Operation) -> bool:
    """Whether this is a search whose results hold the best k and no further candidates."""
    count = len(op.results)
    match string_attribute(op, "call_target_name"):
        case "ApproxTopK":
            wanted = [_option(op, "top_k")]
        case "stablehlo.dynamic_approx_top_k":
            wanted = integers(op.operands[2 * count])
        case _:
            return False
    types = [ir.RankedTensorType(value.type) for value in (*op.operands[:count], *op.results)]
    if not all(type_.has_static_shape for type_ in types):
        return False
    at = _option(op, "reduction_dim")
    return all([type_.shape[at]] == wanted for type_ in types[count:])


def _option(op: ir.Operation, name: str) -> int:
    config = ir.DictAttr(op.attributes[CONFIG])
    members = [config[index] for index in range(len(config))]
    return next(ir.IntegerAttr(m.attr).value for m in members if m.name == name)


def _sort(op: ir.Operation, comparator: ir.Operation) -> ir.Operation:
    """All candidates in order; the comparator's body becomes the region."""
    operands = list(op.operands)[: len(op.results)]
    dimension = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), _option(op, "reduction_dim"))
    made = ir.Operation.create(
        "stablehlo.sort",
        results=[value.type for value in operands],
        operands=operands,
        attributes={"dimension": dimension, "is_stable": ir.BoolAttr.get(True)},
        regions=1,
        loc=op.location,
        ip=ir.InsertionPoint(op),
    )
    fill_region(made, comparator)
    return made


def _head(op: ir.Operation, value: ir.Value, index: int) -> ir.Value:
    """The first `top_k` of a sorted value."""
    wanted = ir.RankedTensorType(op.results[index].type)
    limits = list(wanted.shape)
    starts, strides = [0] * len(limits), [1] * len(limits)
    made = ir.Operation.create(
        "stablehlo.slice",
        results=[wanted],
        operands=[value],
        attributes={
            "start_indices": ir.DenseI64ArrayAttr.get(starts),
            "limit_indices": ir.DenseI64ArrayAttr.get(limits),
            "strides": ir.DenseI64ArrayAttr.get(strides),
        },
        loc=op.location,
        ip=ir.InsertionPoint(op),
    )
    return made.results[0]
