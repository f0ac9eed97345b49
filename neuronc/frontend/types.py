"""MLIR types as the types of the dialect, converted once per distinct one."""

from __future__ import annotations

from jaxlib.mlir import ir
from xdsl.dialects.builtin import TupleType
from xdsl.ir import TypeAttribute

from neuronc.dialects.types import TOKEN, tensor
from neuronc.dtypes import BY_NAME


class Types:
    """The types seen so far."""

    def __init__(self) -> None:
        self._known: dict[ir.Type, TypeAttribute] = {}

    def convert(self, type_: ir.Type) -> TypeAttribute:
        """The type of the dialect; only for types that `problem` accepts."""
        if type_ not in self._known:
            self._known[type_] = _convert(type_)
        return self._known[type_]


def problem(type_: ir.Type) -> str:
    """Why a type is not supported, or empty."""
    if isinstance(type_, ir.RankedTensorType):
        return _tensor_problem(type_)
    if isinstance(type_, ir.TupleType):
        members = (type_.get_type(index) for index in range(type_.num_types))
        return next((what for what in map(problem, members) if what), "")
    return "" if _is_token(type_) else f"type {type_}"


def _convert(type_: ir.Type) -> TypeAttribute:
    if isinstance(type_, ir.RankedTensorType):
        return tensor(tuple(type_.shape), BY_NAME[str(type_.element_type)])
    if isinstance(type_, ir.TupleType):
        return TupleType(tuple(_convert(type_.get_type(i)) for i in range(type_.num_types)))
    assert _is_token(type_), f"unchecked type {type_}"
    return TOKEN


def _tensor_problem(type_: ir.RankedTensorType) -> str:
    if not type_.has_static_shape:
        return f"dynamic shape {type_}"
    if str(type_.element_type) not in BY_NAME:
        return f"element type {type_.element_type}"
    return ""


def _is_token(type_: ir.Type) -> bool:
    return str(type_) == "!stablehlo.token"
