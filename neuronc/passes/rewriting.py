"""Small helpers that every rewrite at the StableHLO level uses: make ops in front of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Attribute, Operation, Region, SSAValue

from neuronc.dialects.program import WindowsOp
from neuronc.dialects.stablehlo.base import StablehloOp
from neuronc.dialects.stablehlo.constant import ConstantOp
from neuronc.dialects.stablehlo.dialect import OPS
from neuronc.dialects.stablehlo.movement import BroadcastInDimOp, ReshapeOp, TransposeOp
from neuronc.dialects.stablehlo.params import Param, encode_all
from neuronc.dialects.types import element_type, shape_of, tensor
from neuronc.dtypes import BY_NAME, ElementType


class Before:
    """Inserts ops before `op`, with its source line."""

    def __init__(self, op: Operation) -> None:
        self._op = op
        block = op.parent
        assert block is not None
        self._block = block
        loc = op.attributes.get("loc")
        self._loc = {"loc": loc} if isinstance(loc, StringAttr) else {}

    def add(
        self,
        cls: type[StablehloOp],
        operands: Sequence[SSAValue],
        results: Sequence[Attribute],
        params: dict[str, Param] | None = None,
        regions: Sequence[Region] = (),
    ) -> SSAValue:
        """Insert an op and return its first result."""
        attributes = {**encode_all(params or {}), **self._loc}
        op = cls.create(
            operands=operands, result_types=results, attributes=attributes, regions=regions
        )
        self._block.insert_op_before(op, self._op)
        return op.results[0]

    def constant(self, array: np.ndarray) -> SSAValue:
        """A constant."""
        op = ConstantOp.of(array)
        self._block.insert_op_before(op, self._op)
        return op.results[0]

    def splat(
        self, value: float | np.ndarray, shape: tuple[int, ...], kind: ElementType
    ) -> SSAValue:
        """A constant with one value everywhere."""
        return self.constant(np.broadcast_to(np.asarray(value).astype(kind.numpy), shape))

    def reshape(self, value: SSAValue, shape: tuple[int, ...]) -> SSAValue:
        """The value with another shape."""
        if shape_of(value) == shape:
            return value
        return self.add(ReshapeOp, [value], [tensor(shape, element_type(value))])

    def transpose(self, value: SSAValue, permutation: Sequence[int]) -> SSAValue:
        """The value with its dimensions permuted."""
        if list(permutation) == sorted(permutation):
            return value
        shape = tuple(shape_of(value)[d] for d in permutation)
        kind = tensor(shape, element_type(value))
        return self.add(TransposeOp, [value], [kind], {"permutation": list(permutation)})

    def broadcast(
        self, value: SSAValue, shape: tuple[int, ...], dimensions: Sequence[int]
    ) -> SSAValue:
        """The value repeated over new dimensions."""
        kind = tensor(shape, element_type(value))
        params: dict[str, Param] = {"broadcast_dimensions": list(dimensions)}
        return self.add(BroadcastInDimOp, [value], [kind], params)

    def elementwise(self, name: str, *operands: SSAValue, **params: str) -> SSAValue:
        """An elementwise op; comparisons give booleans."""
        last = operands[-1]
        kind = BY_NAME["i1"] if name == "compare" else element_type(last)
        given: dict[str, Param] = {**params}
        return self.add(OPS[f"stablehlo.{name}"], operands, [tensor(shape_of(last), kind)], given)

    def windows(
        self,
        value: SSAValue,
        dimensions: Sequence[int],
        sizes: Sequence[int],
        strides: Sequence[int],
        dilations: Sequence[int],
    ) -> SSAValue:
        """The view of all windows: the operand's dimensions, then one per window."""
        shape = list(shape_of(value))
        for d, size, stride, dilation in zip(dimensions, sizes, strides, dilations, strict=True):
            shape[d] = (shape[d] - (size - 1) * dilation - 1) // stride + 1
        params = encode_all(
            {
                "dimensions": list(dimensions),
                "strides": list(strides),
                "dilations": list(dilations),
            }
        )
        op = WindowsOp.create(
            operands=[value],
            result_types=[tensor((*shape, *sizes), element_type(value))],
            attributes={**params, **self._loc},
        )
        self._block.insert_op_before(op, self._op)
        return op.results[0]


def replace(op: Operation, *values: SSAValue) -> None:
    """Hand `values` to the users of the op, and erase it."""
    for old, new in zip(op.results, values, strict=True):
        old.replace_all_uses_with(new)
    op.detach()
    op.erase()
