"""Writing StableHLO: one method an operation, with the result's type worked out from the operands.

Shapes in the docstrings are those of the operands; extents are plain integers, since every graph
is static when it gets here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo
from numpy.typing import NDArray

from neuronc.torch.elements import NUMPY_OF, is_complex, is_float, is_unsigned, tensor_type

Value = ir.Value
Shape = tuple[int, ...]
Body = Callable[..., Sequence[ir.Value]]


def shape_of(value: Value) -> Shape:
    """The extents of a tensor."""
    return tuple(ir.RankedTensorType(value.type).shape)


def element_of(value: Value) -> str:
    """The element of a tensor, by its MLIR name."""
    return str(ir.RankedTensorType(value.type).element_type)


class Build:
    """Appends operations to a block, all at the location `loc` until it changes."""

    def __init__(self, block: ir.Block, loc: ir.Location) -> None:
        self.loc = loc
        self._ip = ir.InsertionPoint(block)

    def op(
        self,
        name: str,
        operands: Sequence[Value],
        types: Sequence[ir.Type],
        regions: int = 0,
        **attributes: ir.Attribute,
    ) -> ir.Operation:
        """Any operation, by its full name."""
        return ir.Operation.create(
            name,
            results=list(types),
            operands=list(operands),
            attributes=attributes,
            regions=regions,
            loc=self.loc,
            ip=self._ip,
        )

    def one(
        self, name: str, operands: Sequence[Value], shape: Shape, element: str, **more: ir.Attribute
    ) -> Value:
        """A StableHLO operation with one result of this shape and element."""
        made = self.op(f"stablehlo.{name}", operands, [tensor_type(shape, element)], 0, **more)
        return made.results[0]

    def inside(self, block: ir.Block) -> Build:
        """The same, writing into another block."""
        return Build(block, self.loc)

    # Constants and ranges.

    def splat(self, value: complex, shape: Shape, element: str) -> Value:
        """One number everywhere."""
        array = np.array(value).astype(NUMPY_OF[element])
        scalar = self.array(array)
        return scalar if shape == () else self.broadcast_in_dim(scalar, shape, ())

    def array(self, array: NDArray[Any]) -> Value:
        """A constant with these elements."""
        element = _NAMES[array.dtype]
        type_ = tensor_type(array.shape, element)
        bits = _bits(np.ascontiguousarray(array).reshape(array.shape))
        attribute = ir.DenseElementsAttr.get(bits, type=type_.element_type, shape=array.shape)
        return self.op("stablehlo.constant", [], [type_], value=attribute).results[0]

    def like(self, value: complex, x: Value) -> Value:
        """One number in the shape and element of `x`."""
        return self.splat(value, shape_of(x), element_of(x))

    def iota(self, shape: Shape, dimension: int, element: str) -> Value:
        """The index along a dimension."""
        return self.one("iota", [], shape, element, iota_dimension=_i64(dimension))

    # Elementwise.

    def unary(self, name: str, x: Value) -> Value:
        """A function of the elements of one tensor."""
        return self.one(name, [x], shape_of(x), element_of(x))

    def binary(self, name: str, x: Value, y: Value) -> Value:
        """A function of the elements of two tensors of one type."""
        return self.one(name, [x, y], shape_of(x), element_of(x))

    def add(self, x: Value, y: Value) -> Value:
        """X + y."""
        return self.binary("add", x, y)

    def subtract(self, x: Value, y: Value) -> Value:
        """X - y."""
        return self.binary("subtract", x, y)

    def multiply(self, x: Value, y: Value) -> Value:
        """X * y."""
        return self.binary("multiply", x, y)

    def divide(self, x: Value, y: Value) -> Value:
        """X / y."""
        return self.binary("divide", x, y)

    def maximum(self, x: Value, y: Value) -> Value:
        """The larger of each pair; NaN if one is."""
        return self.binary("maximum", x, y)

    def minimum(self, x: Value, y: Value) -> Value:
        """The smaller of each pair; NaN if one is."""
        return self.binary("minimum", x, y)

    def erf(self, x: Value) -> Value:
        """The error function."""
        return self.op("chlo.erf", [x], [x.type]).results[0]

    def chlo(self, name: str, *operands: Value) -> Value:
        """A CHLO function of the elements."""
        return self.op(f"chlo.{name}", operands, [operands[0].type]).results[0]

    def convert(self, x: Value, element: str) -> Value:
        """The elements in another type; to a boolean, whether they differ from zero."""
        if element_of(x) == element:
            return x
        if element == "i1":
            return self.compare("NE", x, self.like(0, x))
        if is_complex(element_of(x)) and not is_complex(element):
            part = element_of(x)[len("complex<") : -1]
            return self.convert(self.one("real", [x], shape_of(x), part), element)
        return self.one("convert", [x], shape_of(x), element)

    def compare(self, direction: str, x: Value, y: Value) -> Value:
        """Compare two tensors of one type: EQ, NE, LT, LE, GT, GE."""
        element = element_of(x)
        real = is_float(element) or is_complex(element)
        kind = "FLOAT" if real else "UNSIGNED" if is_unsigned(element) else "SIGNED"
        return self.one(
            "compare",
            [x, y],
            shape_of(x),
            "i1",
            comparison_direction=stablehlo.ComparisonDirectionAttr.get(direction),
            compare_type=stablehlo.ComparisonTypeAttr.get(kind),
        )

    def select(self, chosen: Value, x: Value, y: Value) -> Value:
        """X where chosen, else y."""
        return self.one("select", [chosen, x, y], shape_of(x), element_of(x))

    # Movement.

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
            "concatenate", parts, tuple(shape), element_of(parts[0]), dimension=_i64(dim)
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

    # Contraction.

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

    # Reductions.

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
        self._scalar_body(made.regions[0], values, body)
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
            padding=self._padding(padding),
        )
        self._scalar_body(made.regions[0], [x], _folding(name))
        return made.results[0]

    def _padding(self, padding: Sequence[tuple[int, int]]) -> ir.Attribute:
        return ir.DenseElementsAttr.get(np.array(padding, np.int64).reshape(-1, 2))

    def _scalar_body(self, region: ir.Region, values: Sequence[Value], body: Body) -> None:
        types = [tensor_type((), element_of(v)) for v in values]
        locations = [self.loc] * (2 * len(types))
        block = region.blocks.append(*types, *types, arg_locs=locations)
        inner = self.inside(block)
        inner.op("stablehlo.return", body(inner, *block.arguments), [])

    # Windows, indices, order.

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
            padding=self._padding(padding),
            lhs_dilation=int_array(lhs_dilation),
            rhs_dilation=int_array(rhs_dilation),
            dimension_numbers=numbers,
            feature_group_count=_i64(groups),
            batch_group_count=_i64(batch_groups),
        )

    def gather(
        self,
        x: Value,
        indices: Value,
        shape: Shape,
        offset: Sequence[int],
        collapsed: Sequence[int],
        indexed: Sequence[int],
        sizes: Sequence[int],
        batch: tuple[Sequence[int], Sequence[int]] = ((), ()),
    ) -> Value:
        """Slices of `x` at indices, whose last dimension is the index vector."""
        numbers = stablehlo.GatherDimensionNumbers.get(
            list(offset),
            list(collapsed),
            list(batch[0]),
            list(batch[1]),
            list(indexed),
            len(shape_of(indices)) - 1,
        )
        return self.one(
            "gather",
            [x, indices],
            shape,
            element_of(x),
            dimension_numbers=numbers,
            slice_sizes=int_array(sizes),
        )

    def scatter(
        self,
        x: Value,
        indices: Value,
        updates: Value,
        window: Sequence[int],
        inserted: Sequence[int],
        indexed: Sequence[int],
        body: Body,
        batch: tuple[Sequence[int], Sequence[int]] = ((), ()),
        unique: bool = False,
    ) -> Value:
        """Combine updates into `x` at indices, whose last dimension is the index vector."""
        numbers = stablehlo.ScatterDimensionNumbers.get(
            list(window),
            list(inserted),
            list(batch[0]),
            list(batch[1]),
            list(indexed),
            len(shape_of(indices)) - 1,
        )
        made = self.op(
            "stablehlo.scatter",
            [x, indices, updates],
            [x.type],
            regions=1,
            scatter_dimension_numbers=numbers,
            unique_indices=ir.BoolAttr.get(unique),
        )
        self._scalar_body(made.regions[0], [x], body)
        return made.results[0]

    def dynamic_slice(self, x: Value, starts: Sequence[Value], sizes: Shape) -> Value:
        """A block at a place that is computed; `starts` are scalars."""
        return self.one(
            "dynamic_slice", [x, *starts], sizes, element_of(x), slice_sizes=int_array(sizes)
        )

    def dynamic_update_slice(self, x: Value, update: Value, starts: Sequence[Value]) -> Value:
        """X with a block replaced at a place that is computed."""
        return self.one("dynamic_update_slice", [x, update, *starts], shape_of(x), element_of(x))

    def sort(self, values: Sequence[Value], dim: int, descending: bool) -> list[Value]:
        """Sort all by the first, stably; NaN counts as the largest, as torch has it."""
        made = self.op(
            "stablehlo.sort",
            values,
            [v.type for v in values],
            regions=1,
            dimension=_i64(dim),
            is_stable=ir.BoolAttr.get(True),
        )
        types = [tensor_type((), element_of(v)) for v in values for _ in range(2)]
        block = made.regions[0].blocks.append(*types, arg_locs=[self.loc] * len(types))
        inner = self.inside(block)
        left, right = block.arguments[0], block.arguments[1]
        first, second = (right, left) if descending else (left, right)
        before = inner.compare("LT", first, second)
        if is_float(element_of(first)):
            numbers = inner.compare("EQ", first, first)
            nan = inner.compare("NE", second, second)
            before = inner.binary("or", before, inner.binary("and", numbers, nan))
        inner.op("stablehlo.return", [before], [])
        return list(made.results)

    # Control flow.

    def while_loop(self, state: Sequence[Value], condition: Body, body: Body) -> list[Value]:
        """Run `body` on the state while `condition` of it holds."""
        types = [v.type for v in state]
        made = self.op("stablehlo.while", state, types, regions=2)
        for region, function in zip(made.regions, (condition, body), strict=True):
            block = region.blocks.append(*types, arg_locs=[self.loc] * len(types))
            inner = self.inside(block)
            inner.op("stablehlo.return", function(inner, *block.arguments), [])
        return list(made.results)

    def conditional(
        self, predicate: Value, types: Sequence[ir.Type], branches: Sequence[Body]
    ) -> list[Value]:
        """The first branch if the scalar predicate holds, else the second."""
        made = self.op("stablehlo.if", [predicate], types, regions=2)
        for region, function in zip(made.regions, branches, strict=True):
            inner = self.inside(region.blocks.append())
            inner.op("stablehlo.return", function(inner), [])
        return list(made.results)


def _folding(name: str) -> Body:
    """The body that combines an accumulator and an element with one operation."""

    def body(inner: Build, accumulated: Value, new: Value) -> list[Value]:
        return [inner.binary(name, accumulated, new)]

    return body


def _bits(array: NDArray[Any]) -> NDArray[Any]:
    """What MLIR takes for elements: NumPy's own types, others as their bits."""
    if array.dtype.isbuiltin:
        return array
    return array.view(f"u{array.dtype.itemsize}")


def _i64(value: int) -> ir.Attribute:
    return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), value)


def int_array(values: Sequence[int]) -> ir.Attribute:
    """An attribute of 64-bit integers."""
    return ir.DenseI64ArrayAttr.get(list(values))


_NAMES = {dtype: element for element, dtype in NUMPY_OF.items()}
