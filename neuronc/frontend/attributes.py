"""MLIR attributes of an operation as flat parameters with the specification's names.

    dot_dimension_numbers = #stablehlo.dot<..>      lhs_contracting_dimensions = [1], ..
    comparison_direction = #stablehlo<.. EQ>        comparison_direction = "EQ"
    padding = dense<[[1, 1], [0, 0]]>               padding = [[1, 1], [0, 0]]

Absent ones get their defaults. Attributes of other dialects (`mhlo.sharding`), but for the options
of a custom call, and the requested accuracy of functions are dropped; what neuronc computes is
meant to be within 3 ulp anyway.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from jaxlib.mlir import ir
from jaxlib.mlir._mlir_libs import _stablehlo as stablehlo

from neuronc.dialects.stablehlo.params import Param, Params

DROPPED = frozenset(
    ("result_accuracy", "value", "output_operand_aliases", "operand_layouts", "result_layouts")
)

STRUCTURED_CONFIG = "mhlo.backend_config"
"""Where jax puts the options of a custom call, beside an empty `backend_config`."""

FOREIGN_CONFIG = "mhlo.backend_config"
"""Where JAX keeps the options of a call, as the attribute of its own dialect must be text."""

LIST_FIELDS: dict[str, tuple[type[Any], tuple[str, ...]]] = {
    "stablehlo.dot_general": (
        stablehlo.DotDimensionNumbers,
        (
            "lhs_batching_dimensions",
            "rhs_batching_dimensions",
            "lhs_contracting_dimensions",
            "rhs_contracting_dimensions",
        ),
    ),
    "stablehlo.convolution": (
        stablehlo.ConvDimensionNumbers,
        (
            "input_batch_dimension",
            "input_feature_dimension",
            "input_spatial_dimensions",
            "kernel_input_feature_dimension",
            "kernel_output_feature_dimension",
            "kernel_spatial_dimensions",
            "output_batch_dimension",
            "output_feature_dimension",
            "output_spatial_dimensions",
        ),
    ),
    "stablehlo.gather": (
        stablehlo.GatherDimensionNumbers,
        (
            "offset_dims",
            "collapsed_slice_dims",
            "operand_batching_dims",
            "start_indices_batching_dims",
            "start_index_map",
            "index_vector_dim",
        ),
    ),
    "stablehlo.scatter": (
        stablehlo.ScatterDimensionNumbers,
        (
            "update_window_dims",
            "inserted_window_dims",
            "input_batching_dims",
            "scatter_indices_batching_dims",
            "scattered_dims_to_operand_dims",
            "index_vector_dim",
        ),
    ),
}
"""Per operation, the class of its dimension numbers and their fields."""

RENAMED = {"scattered_dims_to_operand_dims": "scatter_dims_to_operand_dims"}
"""Fields that the bindings call otherwise than the specification."""

Key = tuple[str, tuple[tuple[str, ir.Attribute], ...]]


def key_of(op: ir.Operation) -> Key:
    """What the parameters depend on; equal keys, equal parameters (but see `defaults`)."""
    return op.name, tuple(op.attributes.items())


def params_of(key: Key) -> Params:
    """The parameters that are written in the program."""
    name, attributes = key
    params: Params = {}
    for field, attribute in attributes:
        if (field not in DROPPED and "." not in field) or field == STRUCTURED_CONFIG:
            params.update(_flatten(name, field, attribute))
    return params


def _flatten(op_name: str, field: str, attribute: ir.Attribute) -> Params:
    if field in ("dimension_numbers", "dot_dimension_numbers", "scatter_dimension_numbers"):
        return _dimension_numbers(op_name, attribute)
    if field == "channel_handle":
        return {"channel_id": stablehlo.ChannelHandle(attribute).handle}
    if field in ("backend_config", STRUCTURED_CONFIG):
        return {"backend_config": _backend_config(attribute)}
    return {field: _param(attribute)}


def _dimension_numbers(op_name: str, attribute: ir.Attribute) -> Params:
    cls, fields = LIST_FIELDS[op_name]
    numbers = cls(attribute)
    return {RENAMED.get(field, field): _copy(getattr(numbers, field)) for field in fields}


def _copy(value: int | Sequence[int]) -> int | list[int]:
    return value if isinstance(value, int) else list(value)


def _param(attribute: ir.Attribute) -> Param:
    for cls, convert in _CONVERTERS:
        if isinstance(attribute, cls):
            return convert(attribute)
    return _keyword(attribute)


def _keyword(attribute: ir.Attribute) -> str:
    """The word of an enumeration, `#stablehlo<precision HIGH>`, else the printed attribute."""
    text = str(attribute)
    match = re.fullmatch(r"#(?:stablehlo|chlo)<\w+ (\w+)>", text)
    return match[1] if match else text


def _elements(attribute: Any) -> list[int] | list[list[int]]:
    """A `dense<..>` of indices, which the specification writes as nested lists."""
    array = np.asarray(memoryview(attribute))
    return cast("list[int]", array.astype(np.int64).tolist())


def _array(attribute: Any) -> Param:
    return cast(Param, [_param(member) for member in attribute])


def _backend_config(attribute: ir.Attribute) -> str:
    """Text as it is, structured configurations as JSON with sorted keys."""
    if isinstance(attribute, ir.StringAttr):
        return attribute.value
    return json.dumps(_plain(attribute), sort_keys=True)


def _plain(attribute: ir.Attribute) -> object:
    if isinstance(attribute, ir.DictAttr):
        named = [attribute[index] for index in range(len(attribute))]
        return {member.name: _plain(member.attr) for member in named}
    if isinstance(attribute, ir.ArrayAttr):
        return [_plain(member) for member in attribute]
    return _param(attribute)


_CONVERTERS: tuple[tuple[type[Any], Callable[[Any], Param]], ...] = (
    (ir.BoolAttr, lambda a: bool(a.value)),
    (ir.IntegerAttr, lambda a: int(a.value)),
    (ir.FloatAttr, lambda a: float(a.value)),
    (ir.StringAttr, lambda a: str(a.value)),
    (ir.FlatSymbolRefAttr, lambda a: str(a.value)),
    (ir.UnitAttr, lambda _: True),
    (ir.DenseI64ArrayAttr, list),
    (ir.DenseBoolArrayAttr, lambda a: [int(member) for member in a]),
    (ir.DenseIntElementsAttr, _elements),
    (ir.ArrayAttr, _array),
)
