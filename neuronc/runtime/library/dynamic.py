"""Operations whose shapes arrive as values: the static ones, told by their operands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neuronc.numerics.casting import Array
from neuronc.runtime.library.contraction import convolution
from neuronc.runtime.library.indexing import gather
from neuronc.runtime.library.movement import broadcast_in_dim, iota, pad, reshape, slice_
from neuronc.runtime.library.registry import Params, ResultType, library


def _numbers(x: Array) -> list[int]:
    return [int(n) for n in x.reshape(-1)]


def _shaped(shape: Array, results: Sequence[ResultType]) -> list[ResultType]:
    """The result type with the shape that was handed in."""
    return [ResultType(tuple(_numbers(shape)), results[0].dtype)]


@library("dynamic_iota")
def dynamic_iota(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """`iota` of the shape in the operand."""
    return iota(params, (), _shaped(operands[0], results))


@library("dynamic_broadcast_in_dim")
def dynamic_broadcast_in_dim(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """`broadcast_in_dim` to the shape in the second operand."""
    return broadcast_in_dim(params, operands[:1], _shaped(operands[1], results))


@library("dynamic_reshape")
def dynamic_reshape(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """`reshape` to the shape in the second operand."""
    return reshape(params, operands[:1], _shaped(operands[1], results))


@library("dynamic_pad")
def dynamic_pad(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """`pad` with the amounts in the last three operands."""
    low, high, interior = (_numbers(x) for x in operands[2:])
    shape = tuple(
        a + max(n + (n - 1) * i, 0) + b
        for n, a, b, i in zip(operands[0].shape, low, high, interior, strict=True)
    )
    amounts: dict[str, Any] = {"edge_padding_low": low, "interior_padding": interior}
    return pad(amounts, operands[:2], [ResultType(shape, results[0].dtype)])


@library("real_dynamic_slice")
def real_dynamic_slice(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """`slice` with starts, limits and strides in the last three operands."""
    names = ("start_indices", "limit_indices", "strides")
    bounds: dict[str, Any] = dict(zip(names, (_numbers(x) for x in operands[1:]), strict=True))
    return slice_(bounds, operands[:1], results)


@library("dynamic_gather")
def dynamic_gather(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """`gather` with the slice sizes in the third operand."""
    return gather({**params, "slice_sizes": _numbers(operands[2])}, operands[:2], results)


@library("dynamic_conv")
def dynamic_conv(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """`convolution` with the padding in the third operand."""
    padding = [_numbers(row) for row in operands[2]]
    return convolution({**params, "padding": padding}, operands[:2], results)
