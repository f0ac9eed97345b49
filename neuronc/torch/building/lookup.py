"""Writing what goes by index, or puts in order."""

from __future__ import annotations

from collections.abc import Sequence

from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo

from neuronc.torch.building.folds import Folds
from neuronc.torch.building.values import (
    Body,
    Shape,
    Value,
    element_of,
    int_array,
    int_attribute,
    shape_of,
)
from neuronc.torch.elements import is_float, tensor_type


class Lookup(Folds):
    """Gathers, scatters, slices at computed places, sorting."""

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
        self.scalar_body(made.regions[0], [x], body)
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
            dimension=int_attribute(dim),
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
