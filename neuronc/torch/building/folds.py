"""Writing sums of products, folds of dimensions and of windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo

from neuronc.torch.building.elementwise import Elementwise
from neuronc.torch.building.values import (
    Body,
    Shape,
    Value,
    element_of,
    int_array,
    int_attribute,
    shape_of,
)
from neuronc.torch.elements import tensor_type


class Folds(Elementwise):
    """Contractions and reductions."""

    def dot(
        self,
        x: Value,
        y: Value,
        batch: tuple[Sequence[int], Sequence[int]],
        contract: tuple[Sequence[int], Sequence[int]],
        element: str = "",
    ) -> Value:
        """Sums of products; the result is batch, then what is left of `x`, then of `y`."""
        left, right = shape_of(x), shape_of(y)
        free_x = [d for d in range(len(left)) if d not in (*batch[0], *contract[0])]
        free_y = [d for d in range(len(right)) if d not in (*batch[1], *contract[1])]
        shape = (
            *(left[d] for d in batch[0]),
            *(left[d] for d in free_x),
            *(right[d] for d in free_y),
        )
        numbers = stablehlo.DotDimensionNumbers.get(
            list(batch[0]), list(batch[1]), list(contract[0]), list(contract[1])
        )
        return self.one(
            "dot_general", [x, y], shape, element or element_of(x), dot_dimension_numbers=numbers
        )

    def reduce(
        self, values: Sequence[Value], initial: Sequence[Value], dims: Sequence[int], body: Body
    ) -> list[Value]:
        """Fold dimensions away; `body` takes the accumulators, then the elements."""
        extents = shape_of(values[0])
        kept = tuple(n for d, n in enumerate(extents) if d not in dims)
        types = [tensor_type(kept, element_of(v)) for v in values]
        made = self.op(
            "stablehlo.reduce", [*values, *initial], types, regions=1, dimensions=int_array(dims)
        )
        self.scalar_body(made.regions[0], values, body)
        return list(made.results)

    def fold(self, name: str, x: Value, initial: complex, dims: Sequence[int]) -> Value:
        """Reduce with one binary operation."""
        if not dims:
            return x
        start = self.splat(initial, (), element_of(x))
        return self.reduce([x], [start], dims, _folding(name))[0]

    def reduce_window(
        self,
        name: str,
        x: Value,
        initial: complex,
        window: Sequence[int],
        strides: Sequence[int],
        padding: Sequence[tuple[int, int]],
        dilation: Sequence[int],
    ) -> Value:
        """Fold windows with one binary operation."""
        shape = tuple(
            (n + lo + hi - (w - 1) * d - 1) // s + 1
            for n, w, s, (lo, hi), d in zip(
                shape_of(x), window, strides, padding, dilation, strict=True
            )
        )
        made = self.op(
            "stablehlo.reduce_window",
            [x, self.splat(initial, (), element_of(x))],
            [tensor_type(shape, element_of(x))],
            regions=1,
            window_dimensions=int_array(window),
            window_strides=int_array(strides),
            window_dilations=int_array(dilation),
            padding=edges_attribute(padding),
        )
        self.scalar_body(made.regions[0], [x], _folding(name))
        return made.results[0]

    def scalar_body(self, region: ir.Region, values: Sequence[Value], body: Body) -> None:
        """The body of a fold: accumulators, then elements, all of them numbers."""
        types = [tensor_type((), element_of(v)) for v in values]
        locations = [self.loc] * (2 * len(types))
        block = region.blocks.append(*types, *types, arg_locs=locations)
        inner = self.inside(block)
        inner.op("stablehlo.return", body(inner, *block.arguments), [])

    def convolution(
        self,
        x: Value,
        kernel: Value,
        shape: Shape,
        strides: Sequence[int],
        padding: Sequence[tuple[int, int]],
        lhs_dilation: Sequence[int],
        rhs_dilation: Sequence[int],
        groups: int,
        batch_groups: int = 1,
        numbers: ir.Attribute | None = None,
    ) -> Value:
        """A convolution, by default of [N, C, spatial...] with [O, I, spatial...]."""
        rank = len(shape)
        spatial = list(range(2, rank))
        numbers = numbers or stablehlo.ConvDimensionNumbers.get(
            0, 1, spatial, 1, 0, spatial, 0, 1, spatial
        )
        return self.one(
            "convolution",
            [x, kernel],
            shape,
            element_of(x),
            window_strides=int_array(strides),
            padding=edges_attribute(padding),
            lhs_dilation=int_array(lhs_dilation),
            rhs_dilation=int_array(rhs_dilation),
            dimension_numbers=numbers,
            feature_group_count=int_attribute(groups),
            batch_group_count=int_attribute(batch_groups),
        )


def _folding(name: str) -> Body:
    """The body that combines an accumulator and an element with one operation."""

    def body(inner: Folds, accumulated: Value, new: Value) -> list[Value]:
        return [inner.binary(name, accumulated, new)]

    return body


def edges_attribute(padding: Sequence[tuple[int, int]]) -> ir.Attribute:
    """The low and the high edge of every dimension."""
    return ir.DenseElementsAttr.get(np.array(padding, np.int64).reshape(-1, 2))
