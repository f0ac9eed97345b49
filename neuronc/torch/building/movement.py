"""Writing what moves elements, and changes none."""

from __future__ import annotations

from collections.abc import Sequence

from neuronc.torch.building.values import (
    Shape,
    Value,
    element_of,
    int_array,
    int_attribute,
    shape_of,
)
from neuronc.torch.building.writer import Writer


class Movement(Writer):
    """Views, slices, edges."""

    def reshape(self, x: Value, shape: Shape) -> Value:
        """The same elements, row by row, in another shape."""
        if shape_of(x) == shape:
            return x
        return self.one("reshape", [x], shape, element_of(x))

    def transpose(self, x: Value, order: Sequence[int]) -> Value:
        """Dimension k of the result is dimension order[k] of `x`."""
        if list(order) == list(range(len(order))):
            return x
        extents = shape_of(x)
        shape = tuple(extents[d] for d in order)
        return self.one("transpose", [x], shape, element_of(x), permutation=int_array(order))

    def broadcast_in_dim(self, x: Value, shape: Shape, dimensions: Sequence[int]) -> Value:
        """Dimension k of `x` becomes dimension dimensions[k]; the others repeat."""
        if shape_of(x) == shape:
            return x
        return self.one(
            "broadcast_in_dim",
            [x],
            shape,
            element_of(x),
            broadcast_dimensions=int_array(dimensions),
        )

    def broadcast(self, x: Value, shape: Shape) -> Value:
        """Repeat `x` up to a shape, aligned on the right as NumPy does."""
        skipped = len(shape) - len(shape_of(x))
        return self.broadcast_in_dim(x, shape, range(skipped, len(shape)))

    def slice(
        self, x: Value, starts: Sequence[int], limits: Sequence[int], strides: Sequence[int] = ()
    ) -> Value:
        """X[starts : limits : strides]."""
        steps = list(strides) or [1] * len(starts)
        if list(limits) == list(shape_of(x)) and not any(starts) and set(steps) <= {1}:
            return x
        shape = tuple(
            max(0, -(-(b - a) // s)) for a, b, s in zip(starts, limits, steps, strict=True)
        )
        return self.one(
            "slice",
            [x],
            shape,
            element_of(x),
            start_indices=int_array(starts),
            limit_indices=int_array(limits),
            strides=int_array(steps),
        )

    def slice_dim(self, x: Value, dim: int, start: int, limit: int, step: int = 1) -> Value:
        """A slice along one dimension."""
        starts, limits, steps = [0] * len(shape_of(x)), list(shape_of(x)), [1] * len(shape_of(x))
        starts[dim], limits[dim], steps[dim] = start, limit, step
        return self.slice(x, starts, limits, steps)

    def concatenate(self, parts: Sequence[Value], dim: int) -> Value:
        """The parts one after the other along a dimension."""
        if len(parts) == 1:
            return parts[0]
        shape = list(shape_of(parts[0]))
        shape[dim] = sum(shape_of(p)[dim] for p in parts)
        return self.one(
            "concatenate", parts, tuple(shape), element_of(parts[0]), dimension=int_attribute(dim)
        )

    def pad(
        self,
        x: Value,
        value: Value,
        low: Sequence[int],
        high: Sequence[int],
        interior: Sequence[int] = (),
    ) -> Value:
        """Put `value` around `x`, and between its elements; a negative edge cuts off."""
        between = list(interior) or [0] * len(low)
        if not any(low) and not any(high) and not any(between):
            return x
        shape = tuple(
            n + a + b + max(n - 1, 0) * i
            for n, a, b, i in zip(shape_of(x), low, high, between, strict=True)
        )
        return self.one(
            "pad",
            [x, value],
            shape,
            element_of(x),
            edge_padding_low=int_array(low),
            edge_padding_high=int_array(high),
            interior_padding=int_array(between),
        )

    def reverse(self, x: Value, dims: Sequence[int]) -> Value:
        """The elements in opposite order along some dimensions."""
        return self.one("reverse", [x], shape_of(x), element_of(x), dimensions=int_array(dims))
