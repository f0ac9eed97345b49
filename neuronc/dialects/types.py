"""Element types and shapes of IR values; nothing else in the compiler touches xDSL's types.

A value is `tensor<d0xd1x..xelement>`. Signed integers and booleans are signless (`i32`, `i1`),
unsigned ones `ui32`. The small floats that xDSL lacks are `!stablehlo.float<"f8E4M3FN">`. Types
are interned: equal types made by `tensor` are the same object.
"""

from __future__ import annotations

from functools import cache
from typing import cast

from xdsl.dialects.builtin import (
    BFloat16Type,
    ComplexType,
    Float16Type,
    Float32Type,
    Float64Type,
    IntegerType,
    Signedness,
    StringAttr,
    TensorType,
    TupleType,
)
from xdsl.ir import Attribute, ParametrizedAttribute, SSAValue, TypeAttribute
from xdsl.irdl import irdl_attr_definition

from neuronc.dtypes import BY_NAME, ELEMENT_TYPES, ElementType

Tensor = TensorType[Attribute]


@irdl_attr_definition
class FloatType(ParametrizedAttribute, TypeAttribute):
    """A float of eight bits or fewer, named as in MLIR: `!stablehlo.float<"f8E4M3FN">`."""

    name = "stablehlo.float"

    spelling: StringAttr


@irdl_attr_definition
class TokenType(ParametrizedAttribute, TypeAttribute):
    """An order between side effects; it holds no data."""

    name = "stablehlo.token"


TOKEN = TokenType()

_WIDE_FLOATS: dict[str, type[TypeAttribute]] = {
    "f16": Float16Type,
    "bf16": BFloat16Type,
    "f32": Float32Type,
    "f64": Float64Type,
}


@cache
def scalar(name: str) -> TypeAttribute:
    """The IR type of one element, from its MLIR spelling."""
    if name.startswith("complex<"):
        part = scalar(name.removeprefix("complex<").removesuffix(">"))
        return ComplexType(cast(Float32Type, part))
    if name in _WIDE_FLOATS:
        return _WIDE_FLOATS[name]()
    if name.startswith("ui"):
        return IntegerType(int(name[2:]), Signedness.UNSIGNED)
    if name.startswith("i"):
        return IntegerType(int(name[1:]))
    return FloatType(StringAttr(name))


_ELEMENTS: dict[Attribute, ElementType] = {scalar(row.name): row for row in ELEMENT_TYPES}


def tensor(shape: tuple[int, ...], element: ElementType) -> Tensor:
    """The interned type `tensor<shape x element>`."""
    return _tensor(shape, element.name)


@cache
def _tensor(shape: tuple[int, ...], name: str) -> Tensor:
    return cast(Tensor, TensorType(scalar(BY_NAME[name].name), shape))


def type_of(value: SSAValue | Attribute) -> Attribute:
    """The type of a value, or the type itself."""
    return value.type if isinstance(value, SSAValue) else value


def is_tensor(value: SSAValue | Attribute) -> bool:
    """Whether a value holds an array, rather than a token or a tuple."""
    return isinstance(type_of(value), TensorType)


def is_token(value: SSAValue | Attribute) -> bool:
    """Whether a value only orders side effects."""
    return isinstance(type_of(value), TokenType)


def tuple_members(value: SSAValue | Attribute) -> tuple[Attribute, ...]:
    """The types of a tuple's members, or the type itself alone."""
    type_ = type_of(value)
    return tuple(type_.types) if isinstance(type_, TupleType) else (type_,)


def element_type(value: SSAValue | Attribute) -> ElementType:
    """The row of `dtypes` for the elements of a tensor value or type."""
    return _facts(value)[2]


def shape_of(value: SSAValue | Attribute) -> tuple[int, ...]:
    """The extents of a tensor value or type."""
    return _facts(value)[1]


_FACTS: dict[int, tuple[Attribute, tuple[int, ...], ElementType]] = {}
"""Shape and element type by the identity of a type, which the entry keeps alive: hashing a type
walks all of it, and these two questions are asked a million times a compilation."""


def _facts(value: SSAValue | Attribute) -> tuple[Attribute, tuple[int, ...], ElementType]:
    """The type itself, its extents, and the row of its elements."""
    type_ = value if type(value) is TensorType else type_of(value)
    found = _FACTS.get(id(type_))
    if found is None:
        tensor_type = _tensor_type(type_)
        found = (tensor_type, tensor_type.get_shape(), _ELEMENTS[tensor_type.element_type])
        _FACTS[id(type_)] = found
    return found


def _tensor_type(value: SSAValue | Attribute) -> Tensor:
    type_ = type_of(value)
    assert isinstance(type_, TensorType), f"{type_} is not a tensor"
    return cast(Tensor, type_)
