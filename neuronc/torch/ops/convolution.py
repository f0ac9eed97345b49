"""Convolutions of any rank, forward, transposed and backward."""

from __future__ import annotations

from collections.abc import Sequence

from jaxlib.mlir.dialects import stablehlo

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, element_of, shape_of
from neuronc.torch.scope import Scope
from neuronc.torch.table import aten


def _each(values: Sequence[int], rank: int) -> list[int]:
    """One number a dimension; one alone stands for all."""
    return list(values) * rank if len(values) == 1 else list(values)


def _swapped(b: Build, weight: Value, groups: int) -> Value:
    """weight[I, O/g, ...] as [O, I/g, ...], turned around in space."""
    i, o, *space = shape_of(weight)
    split = b.reshape(weight, (groups, i // groups, o, *space))
    order = [0, 2, 1, *range(3, 3 + len(space))]
    merged = b.reshape(b.transpose(split, order), (groups * o, i // groups, *space))
    return b.reverse(merged, range(2, 2 + len(space)))


def transposed(
    b: Build,
    x: Value,
    weight: Value,
    shape: tuple[int, ...],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
) -> Value:
    """x[N, I, ...] spread by the stride and convolved with weight[I, O/g, ...] turned around."""
    edges: list[tuple[int, int]] = []
    for d, s in enumerate(stride):
        reach = dilation[d] * (shape_of(weight)[2 + d] - 1)
        spread = (shape_of(x)[2 + d] - 1) * s + 1
        low = reach - padding[d]
        edges.append((low, shape[2 + d] + reach - spread - low))
    ones = [1] * len(stride)
    kernel = _swapped(b, weight, groups)
    return b.convolution(x, kernel, shape, ones, edges, stride, dilation, groups)


@aten("convolution", "_convolution")
def convolution(
    s: Scope,
    x: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    is_transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    *_: object,
) -> Value:
    """x[N, I, ...] with weight[O, I/g, ...], plus bias[O]."""
    b, rank = s.b, len(shape_of(weight)) - 2
    batched = len(shape_of(x)) == rank + 2
    y = s.wide(x if batched else b.reshape(x, (1, *shape_of(x))))
    kernel = s.wide(weight)
    shape = s.out.shape if batched else (1, *s.out.shape)
    steps, edges, spread = (_each(v, rank) for v in (stride, padding, dilation))
    if is_transposed:
        made = transposed(b, y, kernel, shape, steps, edges, spread, groups)
    else:
        around, ones = [(p, p) for p in edges], [1] * rank
        made = b.convolution(y, kernel, shape, steps, around, ones, spread, groups)
    if bias is not None:
        made = b.add(made, b.broadcast_in_dim(b.convert(bias, element_of(made)), shape, [1]))
    return s.narrow(b.reshape(made, s.out.shape))


@aten("convolution_backward")
def convolution_backward(
    s: Scope,
    grad: Value,
    x: Value,
    weight: Value,
    bias_sizes: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    is_transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    mask: Sequence[bool],
) -> list[Value | None]:
    """The gradients of the input, the weight and the bias, as far as the mask asks for them."""
    b, rank = s.b, len(shape_of(weight)) - 2
    g, y, w = s.wide(grad), s.wide(x), s.wide(weight)
    steps, edges, spread = (_each(v, rank) for v in (stride, padding, dilation))
    results: list[Value | None] = [None, None, None]
    if mask[0] and is_transposed:
        around, ones = [(p, p) for p in edges], [1] * rank
        around = _fitting(g, w, shape_of(y), steps, edges, spread)
        made = b.convolution(g, w, shape_of(y), steps, around, ones, spread, groups)
        results[0] = s.narrow(made, 0)
    elif mask[0]:
        made = transposed(b, g, w, shape_of(y), steps, edges, spread, groups)
        results[0] = s.narrow(made, 0)
    if mask[1]:
        big, small = (g, y) if is_transposed else (y, g)
        made = _kernel_gradient(b, big, small, shape_of(w), steps, edges, spread, groups)
        results[1] = s.narrow(made, 1)
    if mask[2]:
        dims = [d for d in range(rank + 2) if d != 1]
        results[2] = s.narrow(b.fold("add", g, 0, dims), 2)
    return results


def _fitting(
    x: Value, w: Value, shape: tuple[int, ...], stride: list[int], low: list[int], spread: list[int]
) -> list[tuple[int, int]]:
    """The edges with which a convolution of x gives the shape."""
    edges: list[tuple[int, int]] = []
    for d, step in enumerate(stride):
        reach = spread[d] * (shape_of(w)[2 + d] - 1) + 1
        needed = (shape[2 + d] - 1) * step + reach
        edges.append((low[d], needed - shape_of(x)[2 + d] - low[d]))
    return edges


def _kernel_gradient(
    b: Build,
    x: Value,
    grad: Value,
    shape: tuple[int, ...],
    stride: list[int],
    low: list[int],
    spread: list[int],
    groups: int,
) -> Value:
    """x[N, I, ...] against grad[N, O, ...]: the batch is what is summed, as JAX's transpose rule.

    The stride spreads the gradient out, the dilation steps through the input.
    """
    rank = len(stride)
    edges: list[tuple[int, int]] = []
    for d in range(rank):
        reach = (shape_of(grad)[2 + d] - 1) * stride[d] + 1
        needed = (shape[2 + d] - 1) * spread[d] + reach
        edges.append((low[d], needed - shape_of(x)[2 + d] - low[d]))
    space = list(range(2, rank + 2))
    numbers = stablehlo.ConvDimensionNumbers.get(1, 0, space, 0, 1, space, 1, 0, space)
    made = tuple(shape)
    swapped = (
        b.convolution(x, grad, made, spread, edges, [1] * rank, stride, 1, groups, numbers)
        if groups > 1
        else b.convolution(x, grad, made, spread, edges, [1] * rank, stride, 1, 1, numbers)
    )
    return swapped
