"""Attributes and types of the tile dialect from plain Python values, each made once.

xDSL verifies an attribute whenever it makes one, and kernels repeat a few of them all the time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import cast

from xdsl.dialects.builtin import ArrayAttr, FloatAttr, IntAttr, StringAttr, f64
from xdsl.ir import Attribute

from neuronc.dialects.tile import BlockType

_string = lru_cache(maxsize=1 << 12)(StringAttr)
_integer = lru_cache(maxsize=1 << 12)(IntAttr[int])


def attribute(value: object) -> Attribute:
    """The attribute that holds a plain value, or a tuple of them; an attribute as it is."""
    match value:
        case Attribute():
            return value
        case bool() | int():
            return _integer(int(value))
        case float():
            return FloatAttr(value, f64)
        case str():
            return _string(value)
        case tuple():
            return ArrayAttr([attribute(item) for item in cast(tuple[object, ...], value)])
        case _:
            raise TypeError(f"no attribute for {value!r}")


@lru_cache(maxsize=1 << 12)
def block_of(memory: str, partitions: int, columns: int, element: str) -> BlockType:
    """The type of a block on chip."""
    return BlockType(StringAttr(memory), IntAttr(partitions), IntAttr(columns), StringAttr(element))
