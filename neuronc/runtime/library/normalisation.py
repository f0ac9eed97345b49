"""Batch normalisation over all axes but `feature_index`: inference, training and gradient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuronc.numerics.casting import Array
from neuronc.runtime.library.registry import Params, ResultType, library


def _wide(x: Array) -> Array:
    return x.astype(np.float64)


def _shape(x: Array, feature: int) -> tuple[int, ...]:
    """The shape that puts a vector along the feature axis."""
    return tuple(-1 if d == feature else 1 for d in range(x.ndim))


def _others(x: Array, feature: int) -> tuple[int, ...]:
    return tuple(d for d in range(x.ndim) if d != feature)


@library("batch_norm_inference")
def batch_norm_inference(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """(operand - mean) / sqrt(variance + epsilon) * scale + offset."""
    operand, *vectors = operands
    shape = _shape(operand, int(params["feature_index"]))
    scale, offset, mean, variance = (_wide(v).reshape(shape) for v in vectors)
    deviation = np.sqrt(variance + float(params["epsilon"]))
    normal = (_wide(operand) - mean) / deviation
    return [(normal * scale + offset).astype(operand.dtype)]


@library("batch_norm_training")
def batch_norm_training(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """`batch_norm_inference` with the batch's own mean and variance, which are returned too."""
    operand, scale, offset = operands
    axes = _others(operand, int(params["feature_index"]))
    mean, variance = _wide(operand).mean(axes), _wide(operand).var(axes)
    output = batch_norm_inference(params, [operand, scale, offset, mean, variance], results)
    return [*output, mean.astype(operand.dtype), variance.astype(operand.dtype)]


@library("batch_norm_grad")
def batch_norm_grad(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """Gradients of training: of operand, scale and offset."""
    operand, feature = operands[0], int(params["feature_index"])
    axes, shape = _others(operand, feature), _shape(operand, feature)
    x, gradient = _wide(operand), _wide(operands[4])
    scale, mean, variance = (_wide(v).reshape(shape) for v in operands[1:4])
    deviation = np.sqrt(variance + float(params["epsilon"]))
    count = x.size // x.shape[feature]
    normal = (x - mean) / deviation
    of_offset = gradient.sum(axes)
    of_scale = (gradient * normal).sum(axes)
    centred = gradient - (of_offset.reshape(shape) + normal * of_scale.reshape(shape)) / count
    of_operand = scale / deviation * centred
    return [v.astype(operand.dtype) for v in (of_operand, of_scale, of_offset)]
