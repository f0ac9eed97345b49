"""MLIR types as the types of the dialect, converted once per distinct one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from jaxlib.mlir import ir
from xdsl.dialects.builtin import TupleType
from xdsl.ir import TypeAttribute

from neuronc.artifact.checks import RANK_MAX
from neuronc.dialects.types import TOKEN, tensor
from neuronc.dtypes import BY_NAME

TYPES_HINT = "convert to a type in the columns of `neuronc ops`"
BYTES_MAX = 2**63 - 1
"""Of one array: addresses are signed 64-bit integers."""
SIZE_HINT = "use smaller extents"


@dataclass(frozen=True)
class Problem:
    """Why something is not compiled, as an error says it."""

    code: str
    what: str
    hint: str = ""
    verdict: str = "is not supported"

    def of(self, owner: str) -> Problem:
        """The same, of the result of an operation."""
        return replace(self, what=f"{self.what} of {owner}")


class Types:
    """The types seen so far."""

    def __init__(self) -> None:
        self._known: dict[ir.Type, TypeAttribute] = {}

    def convert(self, type_: ir.Type) -> TypeAttribute:
        """The type of the dialect; only for types that `problem` accepts."""
        if type_ not in self._known:
            self._known[type_] = _convert(type_)
        return self._known[type_]


def problem(type_: ir.Type) -> Problem | None:
    """Why a type is not supported, or None."""
    if isinstance(type_, ir.RankedTensorType):
        return _tensor_problem(type_)
    if isinstance(type_, ir.TupleType):
        members = (type_.get_type(index) for index in range(type_.num_types))
        return next((found for found in map(problem, members) if found), None)
    hint = "use ranked tensors, tuples of them, and tokens"
    return None if _is_token(type_) else Problem("NRC-0205", f"type {type_}", hint)


def _convert(type_: ir.Type) -> TypeAttribute:
    if isinstance(type_, ir.RankedTensorType):
        return tensor(tuple(type_.shape), BY_NAME[str(type_.element_type)])
    if isinstance(type_, ir.TupleType):
        return TupleType(tuple(_convert(type_.get_type(i)) for i in range(type_.num_types)))
    assert _is_token(type_), f"unchecked type {type_}"
    return TOKEN


def _tensor_problem(type_: ir.RankedTensorType) -> Problem | None:
    if not type_.has_static_shape:
        hint = "shapes must follow from those of the arguments, not from data"
        return Problem("NRC-0207", f"dynamic shape {type_}", hint)
    if str(type_.element_type) not in BY_NAME:
        return Problem("NRC-0204", f"element type {type_.element_type}", TYPES_HINT)
    rank = len(type_.shape)
    if rank > RANK_MAX:
        hint = f"reshape to at most {RANK_MAX} dimensions"
        return Problem("NRC-0214", f"rank {rank}", hint)
    if prod(type_.shape) * BY_NAME[str(type_.element_type)].bytes > BYTES_MAX:
        return Problem("NRC-0205", f"type {type_}, which no address reaches the end of,", SIZE_HINT)
    return None


def _is_token(type_: ir.Type) -> bool:
    return str(type_) == "!stablehlo.token"
