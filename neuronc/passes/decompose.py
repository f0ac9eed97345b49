"""Express wide ops by the few that have lowerings: contractions, reductions, views, elementwise.

    %y = stablehlo.convolution %x[N, C, H, W], %w[O, C, 3, 3]
  becomes
    %p = pad %x;  %v = program.windows %p -> [N, C, H, W, 3, 3]   (a view, never written out)
    %y = dot_general %w, %v over C, 3, 3

So convolutions run on the tensor engine and pooling on the vector engine with the tiling of
contractions and reductions. Types that have no datapath keep the op, for the library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass

from neuronc.dialects.stablehlo.binary import ClampOp, SelectOp
from neuronc.dialects.stablehlo.contraction import ConvolutionOp
from neuronc.dialects.stablehlo.reduction import ReduceOp, ReduceWindowOp
from neuronc.dialects.types import shape_of
from neuronc.passes.decompose_convolution import decompose_convolution
from neuronc.passes.decompose_reduction import decompose_reduce, decompose_reduce_window
from neuronc.passes.rewriting import Before


@dataclass(frozen=True)
class Decompose(ModulePass):
    """Rewrite each wide op of the module, where its types allow."""

    name = "decompose"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Visit every op once."""
        for inner in [o for o in op.walk() if type(o) in _RULES]:
            _RULES[type(inner)](inner)


def _spread_scalars(op: Operation) -> None:
    """A scalar predicate or bound of select and clamp is repeated over the whole shape."""
    shape = shape_of(op.results[0])
    for index, value in enumerate(op.operands):
        if shape and not shape_of(value):
            op.operands[index] = Before(op).broadcast(value, shape, [])


_RULES: dict[type[Operation], Callable[[Operation], None]] = {
    ConvolutionOp: decompose_convolution,
    ReduceOp: decompose_reduce,
    ReduceWindowOp: decompose_reduce_window,
    SelectOp: _spread_scalars,
    ClampOp: _spread_scalars,
}
