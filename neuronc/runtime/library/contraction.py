"""Contractions: dot_general and convolution as batched matrix products of any element type.

Products accumulate in float32 or wider and are rounded once; integers are exact and wrap. Small
products are summed in order, large ones by BLAS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neuronc.numerics import cast
from neuronc.numerics.casting import Array, kind, widen
from neuronc.runtime.library.folding import IN_ORDER_MAX
from neuronc.runtime.library.reduction import Frame
from neuronc.runtime.library.registry import Params, ResultType, library

_SMALL = 1 << 16
"""Multiply-adds up to which a product is summed in order."""


def matmul(lhs: Array, rhs: Array, result: np.dtype[Any]) -> Array:
    """[.., M, K] @ [.., K, N] accumulated as the module says, of type `result`."""
    if kind(result) == "b":
        counts = np.matmul(lhs.astype(np.float32), rhs.astype(np.float32))
        return counts > 0
    if kind(result) in "iu" and kind(lhs.dtype) in "biu":
        return _matmul_integer(widen(lhs), widen(rhs), result)
    wide = _compute_type(lhs.dtype, rhs.dtype, result)
    a, b = (widen(x).astype(wide, copy=False) for x in (lhs, rhs))
    with np.errstate(all="ignore"):
        small = lhs.shape[-1] <= IN_ORDER_MAX and lhs.size * rhs.shape[-1] <= _SMALL
        product = _matmul_in_order(a, b) if small else np.matmul(a, b)
        return cast(product, result)


def _matmul_in_order(lhs: Array, rhs: Array) -> Array:
    """The product summed in order of K, as the specification's interpreter does."""
    shape = np.broadcast_shapes(lhs.shape[:-2], rhs.shape[:-2])
    total = np.zeros((*shape, lhs.shape[-2], rhs.shape[-1]), lhs.dtype)
    for k in range(lhs.shape[-1]):
        total += lhs[..., :, k : k + 1] * rhs[..., k : k + 1, :]
    return total


def _compute_type(lhs: np.dtype[Any], rhs: np.dtype[Any], result: np.dtype[Any]) -> np.dtype[Any]:
    """The float type that holds operands and result."""
    return np.result_type(*(widen(np.zeros((), d)).dtype for d in (lhs, rhs, result)), np.float32)


def _matmul_integer(lhs: Array, rhs: Array, result: np.dtype[Any]) -> Array:
    """Exact modulo the width of `result`; through float64 where no product or sum can round."""
    wide = widen(np.zeros((), result)).dtype
    bound = _largest(lhs) * _largest(rhs) * max(1, lhs.shape[-1])
    if bound < 2**53:
        product = np.matmul(lhs.astype(np.float64), rhs.astype(np.float64)).astype(np.int64)
    else:
        product = np.matmul(lhs.astype(wide), rhs.astype(wide))
    return product.astype(wide, copy=False).astype(result, copy=False)


def _largest(x: Array) -> int:
    """An upper bound of the magnitudes."""
    return max(abs(int(x.max())), abs(int(x.min()))) if x.size else 0


@library("dot_general")
def dot_general(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """result[batch.., lhs free.., rhs free..] = sum over the contracting axes of lhs * rhs."""
    lhs, rhs = operands
    lhs_batch, rhs_batch = _axes(params, "lhs_batching"), _axes(params, "rhs_batching")
    lhs_sum, rhs_sum = _axes(params, "lhs_contracting"), _axes(params, "rhs_contracting")
    lhs_free = [d for d in range(lhs.ndim) if d not in (*lhs_batch, *lhs_sum)]
    rhs_free = [d for d in range(rhs.ndim) if d not in (*rhs_batch, *rhs_sum)]
    batch = [lhs.shape[d] for d in lhs_batch]
    a = lhs.transpose([*lhs_batch, *lhs_free, *lhs_sum])
    b = rhs.transpose([*rhs_batch, *rhs_sum, *rhs_free])
    depth = int(np.prod([lhs.shape[d] for d in lhs_sum], dtype=np.int64))
    rows = int(np.prod([lhs.shape[d] for d in lhs_free], dtype=np.int64))
    columns = int(np.prod([rhs.shape[d] for d in rhs_free], dtype=np.int64))
    product = matmul(
        a.reshape(*batch, rows, depth), b.reshape(*batch, depth, columns), results[0].dtype
    )
    return [product.reshape(results[0].shape)]


def _axes(params: Params, prefix: str) -> list[int]:
    return [int(d) for d in params.get(f"{prefix}_dimensions", [])]


@library("dot")
def dot(params: Params, operands: Sequence[Array], results: Sequence[ResultType]) -> list[Array]:
    """The last axis of lhs against the first of rhs."""
    lhs = operands[0]
    axes = {"lhs_contracting_dimensions": [lhs.ndim - 1], "rhs_contracting_dimensions": [0]}
    return dot_general(axes, operands, results)


@library("einsum", "unary_einsum")
def einsum(params: Params, operands: Sequence[Array], results: Sequence[ResultType]) -> list[Array]:
    """`einsum_config` as in numpy.einsum."""
    dtype = results[0].dtype
    wide = [widen(x).astype(widen(np.zeros((), dtype)).dtype) for x in operands]
    value: Array = np.asarray(np.einsum(str(params["einsum_config"]), *wide))
    return [cast(value, dtype)]


@library("convolution")
def convolution(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """Windows of lhs times rhs: [B, C, ..] with kernel [C / groups, O, ..] to [B, O, ..].

    Padding, strides, dilation of both sides, reversal, feature groups and batch groups.
    """
    lhs, rhs = operands
    groups, batch_groups = int(params["feature_group_count"]), int(params["batch_group_count"])
    image = lhs.transpose(_order(params, "input", "batch", "feature"))
    kernel = rhs.transpose(_order(params, "kernel", "input_feature", "output_feature"))
    flips = tuple(d + 2 for d, flag in enumerate(params.get("window_reversal") or []) if flag)
    kernel = np.flip(kernel, flips)
    windows = _windows(params, image, kernel.shape[2:])
    total = max(groups, batch_groups)
    image_axis = 1 if groups > 1 else 0
    parts = [
        _convolve(part, weights, results[0].dtype)
        for part, weights in zip(
            np.split(windows, total, image_axis), np.split(kernel, total, 1), strict=True
        )
    ]
    order = np.argsort(_order(params, "output", "batch", "feature"))
    return [np.concatenate(parts, axis=1).transpose(order)]


def _order(params: Params, side: str, first: str, second: str) -> list[int]:
    """Axes of one array as [first, second, spatial..]."""
    pair = (params[f"{side}_{first}_dimension"], params[f"{side}_{second}_dimension"])
    return [int(d) for d in (*pair, *params[f"{side}_spatial_dimensions"])]


def _windows(params: Params, image: Array, sizes: tuple[int, ...]) -> Array:
    """Windows of an image [B, C, space..] as [B, C, window.., places..]."""
    rank = len(sizes)
    frame = Frame.of(
        {
            "window_dimensions": [1, 1, *sizes],
            "window_strides": [1, 1, *(params.get("window_strides") or [1] * rank)],
            "base_dilations": [1, 1, *(params.get("lhs_dilation") or [1] * rank)],
            "window_dilations": [1, 1, *(params.get("rhs_dilation") or [1] * rank)],
            "padding": [[0, 0], [0, 0], *(params.get("padding") or [[0, 0]] * rank)],
        },
        rank + 2,
    )
    spread = frame.pad(image, np.zeros((), image.dtype))
    view = frame.windows(spread)[0, 0]
    # [window.., B, C, places..] to [B, C, window.., places..]
    return view.transpose([rank, rank + 1, *range(rank), *range(rank + 2, 2 * rank + 2)])


def _convolve(windows: Array, kernel: Array, result: np.dtype[Any]) -> Array:
    """[B, C, window.., places..] with [C, O, window..] to [B, O, places..]."""
    rank = kernel.ndim - 2
    batch, places = windows.shape[0], windows.shape[2 + rank :]
    inputs, outputs = kernel.shape[:2]
    depth = inputs * int(np.prod(kernel.shape[2:], dtype=np.int64))
    columns = windows.reshape(batch, depth, int(np.prod(places, dtype=np.int64)))
    weights = np.moveaxis(kernel, 1, 0).reshape(outputs, depth)
    return matmul(weights[None], columns, result).reshape(batch, outputs, *places)
