"""The constant, whose payload is a handle to an array outside the IR."""

from __future__ import annotations

from typing import Any, cast

from numpy.typing import NDArray
from xdsl.dialects.builtin import StringAttr
from xdsl.irdl import irdl_op_definition

from neuronc.dialects.stablehlo.base import PureOp
from neuronc.dialects.stablehlo.weight import Weight
from neuronc.dialects.types import tensor
from neuronc.dtypes import BY_NUMPY


@irdl_op_definition
class ConstantOp(PureOp):
    """The array in `value`."""

    name = "stablehlo.constant"

    @property
    def value(self) -> Weight:
        """The payload; `op.value.array` is the array."""
        return cast(Weight, self.attributes["value"])

    @staticmethod
    def of(array: NDArray[Any], loc: StringAttr | None = None) -> ConstantOp:
        """A constant with this array, which is not copied."""
        type_ = tensor(array.shape, BY_NUMPY[array.dtype])
        attributes = {"value": Weight.of(array)} | ({"loc": loc} if loc else {})
        return ConstantOp.create(result_types=(type_,), attributes=attributes)
