"""Parameters of a StableHLO op, read with the type the caller expects."""

from __future__ import annotations

from typing import cast

from xdsl.ir import Operation

from neuronc.dialects.stablehlo.params import decode


def ints(op: Operation, name: str) -> list[int]:
    """A parameter that is a list of integers."""
    value = decode(op.attributes[name])
    assert isinstance(value, list)
    return cast(list[int], value)


def integer(op: Operation, name: str, default: int = 0) -> int:
    """A parameter that is an integer, or `default` where it is absent."""
    attribute = op.attributes.get(name)
    value = default if attribute is None else decode(attribute)
    assert isinstance(value, int)
    return value


def string(op: Operation, name: str, default: str = "") -> str:
    """A parameter that is a string, or `default` where it is absent."""
    attribute = op.attributes.get(name)
    value = default if attribute is None else decode(attribute)
    assert isinstance(value, str)
    return value
