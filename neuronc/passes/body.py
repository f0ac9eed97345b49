"""What every lowering asks of a kernel's body: its sources, its compute ops, its results."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Block, BlockArgument, Operation, SSAValue

from neuronc.dialects.program import YieldOp
from neuronc.dialects.stablehlo.constant import ConstantOp
from neuronc.dialects.stablehlo.movement import IotaOp
from neuronc.dialects.types import element_type
from neuronc.dtypes import ElementType
from neuronc.passes.views import View, is_view_op, splat_of, view_of


def is_compute(op: Operation) -> bool:
    """Whether an op makes new values, as opposed to views, constants, iotas and the end."""
    return not (is_view_op(op) or isinstance(op, ConstantOp | IotaOp | YieldOp))


@dataclass(frozen=True)
class Body:
    """The block of a kernel, and the kernel buffer that each block argument is."""

    block: Block
    buffers: dict[SSAValue, SSAValue]
    outputs: tuple[SSAValue, ...]
    """Kernel buffers of the yielded values, in order."""

    @property
    def compute(self) -> list[Operation]:
        """The ops that compute, in order."""
        return [op for op in self.block.ops if is_compute(op)]

    @property
    def yielded(self) -> tuple[SSAValue, ...]:
        """The values handed out."""
        last = self.block.last_op
        assert last is not None
        return tuple(last.operands)

    def source(self, value: SSAValue) -> np.ndarray | View:
        """A splat's 0-d value, or the view of a block argument, an iota or a computed value."""
        splat = splat_of(value)
        if splat is not None:
            return splat
        view = view_of(value, lambda v: isinstance(v, BlockArgument) or is_compute(_owner(v)))
        assert view is not None, "fuse only takes views that need no copy"
        return view


def element(value: SSAValue) -> ElementType:
    """Element type of a tensor value."""
    return element_type(value.type)


def location(op: Operation) -> str:
    """The user's file and line, or ''."""
    loc = op.attributes.get("loc")
    return loc.data if isinstance(loc, StringAttr) else ""


def _owner(value: SSAValue) -> Operation:
    assert isinstance(value.owner, Operation)
    return value.owner
