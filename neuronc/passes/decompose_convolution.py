"""A convolution as a contraction over the view of all windows of the padded input.

Groups become a batch dimension, dilations and strides those of the windows, a reversed window a
reversed kernel. Where the feature dimension of the result comes before the spatial ones (NCHW),
the kernel is the stationary operand and the batch is a batch dimension too, so that the result is
already in its layout; else (NHWC) the input is.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from xdsl.ir import Operation, SSAValue

from neuronc.dialects.stablehlo.contraction import DotGeneralOp
from neuronc.dialects.stablehlo.movement import PadOp, ReverseOp
from neuronc.dialects.stablehlo.params import Param, params
from neuronc.dialects.types import element_type, shape_of, tensor
from neuronc.passes.attributes import integer, ints
from neuronc.passes.rewriting import Before, replace


@dataclass(frozen=True)
class _Shapes:
    """Extents of a convolution: groups, batch, features in and out per group, spatial ones."""

    feature_groups: int
    batch_groups: int
    batch: int
    inputs: int
    outputs: int
    out: tuple[int, ...]
    window: tuple[int, ...]

    @property
    def groups(self) -> tuple[int, ...]:
        """The batch groups and the feature groups, those of which there is more than one."""
        return tuple(n for n in (self.batch_groups, self.feature_groups) if n > 1)

    @property
    def features(self) -> int:
        """Features of the result."""
        return self.batch_groups * self.feature_groups * self.outputs


def decompose_convolution(op: Operation) -> None:
    """Rewrite one convolution of real floats; leave others to the library."""
    kinds = [element_type(v) for v in op.operands]
    real = all(k.is_float and k.engine for k in (*kinds, element_type(op.results[0])))
    empty = not all(prod(shape_of(v)) for v in (*op.operands, *op.results))
    if not real or kinds[0] is not kinds[1] or empty:
        return
    b, s = Before(op), _shapes(op)
    windows = _windows(op, b, s)
    kernel = _kernel(op, b, s)
    rank = len(s.out)
    features_first = _features_first(op)
    if features_first:
        result = _contract_features_first(op, b, s, windows, kernel)
        order = _output_order(op, [0, 1, *range(2, 2 + rank)])
    else:
        result = _contract_features_last(op, b, s, windows, kernel)
        order = _output_order(op, [0, rank + 1, *range(1, rank + 1)])
    replace(op, b.transpose(result, order))


def _shapes(op: Operation) -> _Shapes:
    lhs, rhs, out = shape_of(op.operands[0]), shape_of(op.operands[1]), shape_of(op.results[0])
    groups, batches = integer(op, "feature_group_count"), integer(op, "batch_group_count")
    return _Shapes(
        groups,
        batches,
        lhs[integer(op, "input_batch_dimension")] // batches,
        rhs[integer(op, "kernel_input_feature_dimension")],
        rhs[integer(op, "kernel_output_feature_dimension")] // (groups * batches),
        tuple(out[d] for d in ints(op, "output_spatial_dimensions")),
        tuple(rhs[d] for d in ints(op, "kernel_spatial_dimensions")),
    )


def _features_first(op: Operation) -> bool:
    spatial = ints(op, "output_spatial_dimensions")
    return not spatial or integer(op, "output_feature_dimension") < min(spatial)


def _output_order(op: Operation, place: list[int]) -> list[int]:
    """Permutation from [batch, feature, spatial...] at `place` to the op's result."""
    order = [0] * len(place)
    order[integer(op, "output_batch_dimension")] = place[0]
    order[integer(op, "output_feature_dimension")] = place[1]
    for d, at in zip(ints(op, "output_spatial_dimensions"), place[2:], strict=True):
        order[d] = at
    return order


def _windows(op: Operation, b: Before, s: _Shapes) -> SSAValue:
    """[batch groups, batch, feature groups, inputs, out..., window...] of the padded input."""
    spatial = ints(op, "input_spatial_dimensions")
    order = [integer(op, "input_batch_dimension"), integer(op, "input_feature_dimension"), *spatial]
    padded = _padded(op, b, spatial)
    value = b.transpose(padded, order)
    rank = len(spatial)
    if rank:
        value = b.windows(
            value,
            list(range(2, 2 + rank)),
            s.window,
            ints(op, "window_strides"),
            ints(op, "rhs_dilation"),
        )
    shape = (s.batch_groups, s.batch, s.feature_groups, s.inputs, *s.out, *s.window)
    return b.reshape(value, shape)


def _padded(op: Operation, b: Before, spatial: list[int]) -> SSAValue:
    """The input with its edges and the gaps of its dilation filled with zeros."""
    operand = op.operands[0]
    shape = list(shape_of(operand))
    edges = op.attributes["padding"]
    low, high, gaps = [0] * len(shape), [0] * len(shape), [0] * len(shape)
    pairs = params(op)["padding"]
    assert isinstance(pairs, list)
    for d, pair, dilation in zip(spatial, pairs, ints(op, "lhs_dilation"), strict=True):
        assert isinstance(pair, list)
        low[d], high[d], gaps[d] = pair[0], pair[1], dilation - 1
        shape[d] = low[d] + high[d] + (shape[d] - 1) * dilation + 1
    if not (any(low) or any(high) or any(gaps)):
        return operand
    assert edges is not None
    kind = element_type(operand)
    given: dict[str, Param] = {
        "edge_padding_low": low,
        "edge_padding_high": high,
        "interior_padding": gaps,
    }
    zero = b.splat(0.0, (), kind)
    return b.add(PadOp, [operand, zero], [tensor(tuple(shape), kind)], given)


def _kernel(op: Operation, b: Before, s: _Shapes) -> SSAValue:
    """[batch groups, feature groups, outputs, inputs, window...]."""
    spatial = ints(op, "kernel_spatial_dimensions")
    value = op.operands[1]
    turned = [d for d, flag in zip(spatial, ints(op, "window_reversal"), strict=True) if flag]
    if turned:
        value = b.add(ReverseOp, [value], [value.type], {"dimensions": turned})
    order = [
        integer(op, "kernel_output_feature_dimension"),
        integer(op, "kernel_input_feature_dimension"),
        *spatial,
    ]
    shape = (s.batch_groups, s.feature_groups, s.outputs, s.inputs, *s.window)
    return b.reshape(b.transpose(value, order), shape)


def _contract_features_first(
    op: Operation, b: Before, s: _Shapes, windows: SSAValue, kernel: SSAValue
) -> SSAValue:
    """[batch, features, out...], the kernel stationary and repeated over the batch."""
    groups, rank = s.groups, len(s.out)
    batching = list(range(1 + len(groups)))
    lhs_shape = (s.batch, *groups, s.outputs, s.inputs, *s.window)
    lhs = b.broadcast(b.reshape(kernel, lhs_shape[1:]), lhs_shape, range(1, len(lhs_shape)))
    rhs = b.transpose(windows, [1, 0, *range(2, 4 + 2 * rank)])
    rhs = b.reshape(rhs, (s.batch, *groups, s.inputs, *s.out, *s.window))
    last = len(batching)
    depth = [last, *range(last + 1 + rank, last + 1 + 2 * rank)]
    shape = (s.batch, *groups, s.outputs, *s.out)
    result = _dot(
        op, b, lhs, rhs, batching, batching, list(range(last + 1, last + 2 + rank)), depth, shape
    )
    return b.reshape(result, (s.batch, s.features, *s.out))


def _contract_features_last(
    op: Operation, b: Before, s: _Shapes, windows: SSAValue, kernel: SSAValue
) -> SSAValue:
    """[batch, out..., features], the input stationary."""
    groups, rank = s.groups, len(s.out)
    batching = list(range(len(groups)))
    lhs = b.transpose(windows, [0, 2, 1, 3, *range(4, 4 + 2 * rank)])
    lhs = b.reshape(lhs, (*groups, s.batch, s.inputs, *s.out, *s.window))
    rhs = b.reshape(kernel, (*groups, s.outputs, s.inputs, *s.window))
    last = len(groups)
    depth = [last + 1, *range(last + 2 + rank, last + 2 + 2 * rank)]
    shape = (*groups, s.batch, *s.out, s.outputs)
    result = _dot(
        op, b, lhs, rhs, batching, batching, depth, list(range(last + 1, last + 2 + rank)), shape
    )
    turned = b.transpose(result, [*range(last, last + 1 + rank), *batching, last + 1 + rank])
    return b.reshape(turned, (s.batch, *s.out, s.features))


def _dot(
    op: Operation,
    b: Before,
    lhs: SSAValue,
    rhs: SSAValue,
    lhs_batch: list[int],
    rhs_batch: list[int],
    lhs_depth: list[int],
    rhs_depth: list[int],
    shape: tuple[int, ...],
) -> SSAValue:
    given: dict[str, Param] = {
        "lhs_batching_dimensions": lhs_batch,
        "rhs_batching_dimensions": rhs_batch,
        "lhs_contracting_dimensions": lhs_depth,
        "rhs_contracting_dimensions": rhs_depth,
    }
    return b.add(DotGeneralOp, [lhs, rhs], [tensor(shape, element_type(op.results[0]))], given)
