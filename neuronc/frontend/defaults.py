"""Defaults of the parameters that a StableHLO program may leave out."""

from __future__ import annotations

from collections.abc import Callable

from jaxlib.mlir import ir

from neuronc.dialects.stablehlo.params import Params


def _ones(count: int) -> list[int]:
    return [1] * count


def _no_padding(count: int) -> list[list[int]]:
    return [[0, 0] for _ in range(count)]


def _rank(op: ir.Operation) -> int:
    return len(ir.RankedTensorType(op.operands[0].type).shape)


def _compare(op: ir.Operation) -> Params:
    element = ir.RankedTensorType(op.operands[0].type).element_type
    if not isinstance(element, ir.IntegerType):
        return {"compare_type": "FLOAT"}
    unsigned = element.is_unsigned or element.width == 1
    return {"compare_type": "UNSIGNED" if unsigned else "SIGNED"}


def _convolution(op: ir.Operation) -> Params:
    spatial = _rank(op) - 2
    return {
        "window_strides": _ones(spatial),
        "padding": _no_padding(spatial),
        "lhs_dilation": _ones(spatial),
        "rhs_dilation": _ones(spatial),
        "window_reversal": [0] * spatial,
        "precision_config": ["DEFAULT", "DEFAULT"],
    }


def _reduce_window(op: ir.Operation) -> Params:
    rank = _rank(op)
    return {
        "window_strides": _ones(rank),
        "base_dilations": _ones(rank),
        "window_dilations": _ones(rank),
        "padding": _no_padding(rank),
    }


def _select_and_scatter(op: ir.Operation) -> Params:
    rank = _rank(op)
    return {
        "window_dimensions": _ones(rank),
        "window_strides": _ones(rank),
        "padding": _no_padding(rank),
    }


def _always(**params: bool | int | str | list[str]) -> Callable[[ir.Operation], Params]:
    return lambda _: dict(params)


_COLLECTIVE = _always(channel_id=0, use_global_device_ids=False)

DEFAULTS: dict[str, Callable[[ir.Operation], Params]] = {
    "stablehlo.all_gather": _COLLECTIVE,
    "stablehlo.all_reduce": _COLLECTIVE,
    "stablehlo.all_to_all": _always(channel_id=0),
    "stablehlo.cholesky": _always(lower=False),
    "stablehlo.collective_broadcast": _always(channel_id=0),
    "stablehlo.collective_permute": _always(channel_id=0),
    "stablehlo.compare": _compare,
    "stablehlo.convolution": _convolution,
    "stablehlo.custom_call": _always(has_side_effect=False, api_version=1, backend_config=""),
    "stablehlo.dot_general": _always(precision_config=["DEFAULT", "DEFAULT"]),
    "stablehlo.gather": _always(indices_are_sorted=False),
    "stablehlo.reduce_scatter": _COLLECTIVE,
    "stablehlo.reduce_window": _reduce_window,
    "stablehlo.scatter": _always(indices_are_sorted=False, unique_indices=False),
    "stablehlo.select_and_scatter": _select_and_scatter,
    "stablehlo.sort": _always(dimension=-1, is_stable=False),
}


def defaults(op: ir.Operation) -> Params:
    """The values of all parameters that may be absent."""
    rule = DEFAULTS.get(op.name)
    return rule(op) if rule else {}
