"""Operation parameters as plain JSON-able values, and their spelling as IR attributes.

    int -> i64 attribute          bool -> i1 attribute        float -> f64 attribute
    str -> string attribute       [1, 2] -> array<i64: 1, 2>
    ["a"] -> ["a"]                [[0, 1], [2, 3]] -> [array<i64: 0, 1>, array<i64: 2, 3>]

`decode` inverts `encode`; an empty list is `array<i64>`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    StringAttr,
    f64,
    i1,
    i64,
)
from xdsl.ir import Attribute, Operation

Param = bool | int | float | str | list[int] | list[str] | list[list[int]]
Params = dict[str, Param]

NOT_PARAMS = frozenset(("loc", "value"))
"""Attributes that are not parameters: the source location and a constant's payload."""


def encode(param: Param) -> Attribute:
    """The attribute that holds one parameter."""
    if isinstance(param, bool):
        return IntegerAttr(int(param), i1)
    if isinstance(param, int):
        return IntegerAttr(param, i64)
    if isinstance(param, float):
        return FloatAttr(param, f64)
    if isinstance(param, str):
        return StringAttr(param)
    return _encode_list(param)


def encode_all(params: Mapping[str, Param]) -> dict[str, Attribute]:
    """The attributes that hold several parameters."""
    return {name: encode(param) for name, param in params.items()}


def decode(attribute: Attribute) -> Param:
    """The parameter that an attribute holds."""
    if isinstance(attribute, IntegerAttr):
        return _decode_integer(cast("IntegerAttr[IntegerType]", attribute))
    if isinstance(attribute, FloatAttr):
        return attribute.value.data
    if isinstance(attribute, StringAttr):
        return attribute.data
    if isinstance(attribute, DenseArrayBase):
        values = cast(Sequence[int], attribute.get_values())
        return list(values)
    assert isinstance(attribute, ArrayAttr), f"{attribute} is not a parameter"
    members = cast("ArrayAttr[Attribute]", attribute)
    return cast(list[str], [decode(member) for member in members])


def params(op: Operation) -> Params:
    """All parameters of an operation, without its location and payload."""
    return {
        name: decode(attribute)
        for name, attribute in op.attributes.items()
        if name not in NOT_PARAMS
    }


def _encode_list(param: list[int] | list[str] | list[list[int]]) -> Attribute:
    if not param or isinstance(param[0], int):
        return DenseArrayBase.from_list(i64, cast(list[int], param))
    return ArrayAttr(encode(member) for member in param)


def _decode_integer(attribute: IntegerAttr[IntegerType]) -> int | bool:
    value = attribute.value.data
    return bool(value) if attribute.type.width.data == 1 else value
