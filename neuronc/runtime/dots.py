"""Multiply and add up in one pass, where the products are for the sum alone.

    t[P, rows, n] = TensorTensor(multiply, a, b); dst[P, rows] = TensorReduce(add, t)
  becomes
    dst[P, rows] = the dot products of the last dimension of a and b

A layer norm's squares, a token's scores: NumPy writes each product to memory and reads it again; a
dot product of BLAS keeps sums in registers, two to three times as fast. It applies to float32 where
nothing else reads the products, which are on chip, and nothing writes to a or b before the sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory
from neuronc.numerics import FUNCTIONS, REDUCTIONS
from neuronc.runtime.flow import Flow
from neuronc.runtime.nodes import Node, Places
from neuronc.runtime.packing import FLOAT
from neuronc.runtime.views import View, compose

LENGTH_MIN = 16
"""Elements of a dot product that is worth a call of BLAS."""
_SQUARE = FUNCTIONS["square"].code
_MULTIPLY, _ADD = FUNCTIONS["multiply"].code, REDUCTIONS["add"].code


def make_dots(nodes: Sequence[Node], places: Places) -> list[Node]:
    """The nodes with sums of products as one; the products are left out."""
    if not any(_adds(node) for node in nodes):
        return list(nodes)
    places.add(nodes)
    flow = _Dots(nodes, places)
    dropped = {flow.join(at) for at, node in enumerate(nodes) if _adds(node)}
    return [node for at, node in enumerate(flow.nodes) if at not in dropped]


class _Dots(Flow):
    """The flow of values, as products and their sums are joined."""

    def __init__(self, nodes: Sequence[Node], places: Places) -> None:
        super().__init__(nodes, places)
        self.given = list(nodes)

    def join(self, at: int) -> int:
        """Join a sum with its products; returns where they stood, -1 where they stay."""
        makers = self.makers[at]["src"] if self.given[at].reads["src"] >= 0 else []
        if len(makers) != 1 or len(self.users[makers[0]]) != 1:
            return -1
        ((maker, _),) = makers
        product, total = self.given[maker], self.given[at]
        names, dst = _factors(product), _rows(product, total)
        if names is None or dst is None or not self._is_still(maker, at):
            return -1
        views = {name: product.views[of] for name, of in zip(("lhs", "rhs"), names, strict=True)}
        views = {"dst": dst, **views}
        self.nodes[at] = Node(total.instruction, views, total.written, ("lhs", "rhs"))
        return maker

    def _is_still(self, maker: int, at: int) -> bool:
        """Whether what the products are made of is there when they are added up."""
        for place in self.given[maker].reads.values():
            near = [place, *self.places.overlaps[place]] if place >= 0 else []
            touches = (touch for other in near for touch in self.touches[other])
            if any(writes and maker < when < at for when, _, writes in touches):
                return False
        return True


def _adds(node: Node) -> bool:
    instr = node.instruction
    return isinstance(instr, isa.TensorReduce) and instr.function == _ADD and instr.axes == 1


def _factors(node: Node) -> tuple[str, str] | None:
    """The operands that a node multiplies; None where it does something else."""
    match node.instruction:
        case isa.TensorTensor(function=function) if function == _MULTIPLY:
            return "lhs", "rhs"
        case isa.Activation(function=function, scale=1.0) if function == _SQUARE:
            return ("src", "src") if len(node.views) == 2 else None
        case _:
            return None


def _rows(product: Node, total: Node) -> View | None:
    """Where the sum of each row of products goes; None where they cannot be joined."""
    made, src, dst = product.views["dst"], total.views["src"], total.views["dst"]
    views = (*product.views.values(), src, dst)
    if any(view.dtype != FLOAT for view in views) or made.space >= Memory.HBM:
        return None
    same_rows = (made.shape[-1], made.strides[-1]) == (src.shape[-1], src.strides[-1])
    if not same_rows or made.size != src.size or made.shape[-1] < LENGTH_MIN:
        return None
    return compose(_first(made), _first(src), dst)


def _first(view: View) -> View:
    """The first element of each row."""
    return replace(view, shape=view.shape[:-1], strides=view.strides[:-1])
