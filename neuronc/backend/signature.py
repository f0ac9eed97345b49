"""What a program takes and gives: names, shapes, types and donations of its entry function."""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute

from neuronc.artifact.model import TensorInfo
from neuronc.dialects.stablehlo.params import decode
from neuronc.dialects.types import element_type, shape_of


def signature(main: FuncOp) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
    """Names, shapes, types and donations of the entry function."""
    types = main.function_type
    inputs = _infos(list(types.inputs), main.arg_attrs, "arg")
    return inputs, _infos(list(types.outputs), main.res_attrs, "out")


def _infos(
    types: list[Attribute], attributes: ArrayAttr[DictionaryAttr] | None, prefix: str
) -> tuple[TensorInfo, ...]:
    out: list[TensorInfo] = []
    for i, kind in enumerate(types):
        given = _members(attributes, i)
        name, donated = given.get("neuronc.name"), given.get("neuronc.donated")
        out.append(
            TensorInfo(
                name.data if isinstance(name, StringAttr) else f"{prefix}{i}",
                shape_of(kind),
                element_type(kind).name,
                _number(donated),
            )
        )
    return tuple(out)


def _members(attributes: ArrayAttr[DictionaryAttr] | None, index: int) -> Mapping[str, Attribute]:
    return attributes.data[index].data if attributes is not None else {}


def _number(attribute: Attribute | None) -> int:
    value = decode(attribute) if attribute is not None else -1
    assert isinstance(value, int)
    return value
