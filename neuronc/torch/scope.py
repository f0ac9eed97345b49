"""What an emitter sees of the graph: the builder, its node, and the types that torch wants.

`out` is the type of the first result. An int64 result that is known to fit has the element i32
there (see `ranges`), so an emitter that computes in `out.element` does what torch would.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch.fx import GraphModule, Node

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, element_of, shape_of
from neuronc.torch.elements import ELEMENT_OF, is_float
from neuronc.torch.ranges.interval import INT32, Range
from neuronc.torch.table import Number, Operand

HALVES = ("f16", "bf16")


@dataclass(frozen=True)
class Spec:
    """The type of a result: its shape, the element it is written with, torch's own dtype."""

    shape: tuple[int, ...]
    element: str
    dtype: torch.dtype


@dataclass
class Scope:
    """One node, while it is emitted."""

    b: Build
    node: Node
    outs: list[Spec | None]
    ranges: dict[Node, Range]
    call: Callable[[Build, GraphModule, Sequence[Value]], list[Value]]
    """Emit a graph that the node holds, on these values."""
    extra: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def out(self) -> Spec:
        """The type of the first result."""
        spec = self.outs[0]
        assert spec is not None
        return spec

    def val(self, index: int) -> Any:
        """What torch knows of an argument: a fake tensor, or the argument itself."""
        given = self.node.args[index]
        return given.meta["val"] if isinstance(given, Node) else given

    def range(self, index: int) -> Range | None:
        """The interval of an integer argument, where one is known."""
        given = self.node.args[index]
        return self.ranges.get(given) if isinstance(given, Node) else None

    def used(self, index: int) -> bool:
        """Whether anything reads a result."""
        getters = [u for u in self.node.users if u.target is operator.getitem]
        others = len(self.node.users) - len(getters)
        return bool(others) or any(u.args[1] == index and u.users for u in getters)

    def cast(self, x: Operand, element: str = "") -> Value:
        """A tensor or number in an element, by default that of the result."""
        kind = element or self.out.element
        return self.b.convert(x, kind) if isinstance(x, Value) else self.b.splat(x, (), kind)

    def fit(self, x: Operand, element: str = "", shape: tuple[int, ...] | None = None) -> Value:
        """The same, broadcast to a shape, by default that of the result."""
        return self.b.broadcast(self.cast(x, element), self.out.shape if shape is None else shape)

    def common(self, *indices: int) -> str:
        """The element in which torch computes with these arguments; i32 where that is as good."""
        values = [self.val(i) for i in indices]
        dtype = torch.result_type(values[0], values[1]) if len(values) == 2 else values[0].dtype
        if dtype is torch.int64 and all(self._fits(i) for i in indices):
            return "i32"
        return ELEMENT_OF[dtype]

    def _fits(self, index: int) -> bool:
        value = self.val(index)
        if isinstance(value, int):
            return INT32.holds(Range(int(value), int(value)))
        if value.dtype is torch.int64:
            known = self.range(index)
            return known is not None and INT32.holds(known)
        return value.dtype not in (torch.uint32, torch.uint64)

    def wide(self, x: Value) -> Value:
        """The value in the type that torch computes in: float32 for the two halves."""
        return self.b.convert(x, opmath(element_of(x)))

    def narrow(self, x: Value, index: int = 0) -> Value:
        """The value in a result's element."""
        spec = self.outs[index]
        assert spec is not None
        return self.b.convert(x, spec.element)


def opmath(element: str) -> str:
    """The element in which torch's kernels compute what they round to `element`."""
    return "f32" if element in HALVES else element


def is_real(x: Value) -> bool:
    """Whether a tensor holds real floats."""
    return is_float(element_of(x))


def axis(dim: int, x: Value | int) -> int:
    """A dimension, counted from the front."""
    rank = x if isinstance(x, int) else len(shape_of(x))
    return dim + max(rank, 1) if dim < 0 else dim


def axes(dims: Sequence[int] | int | None, x: Value) -> list[int]:
    """Dimensions counted from the front, in order; none means all."""
    rank = len(shape_of(x))
    if dims is None or (not isinstance(dims, int) and not len(dims)):
        return list(range(rank))
    listed = [dims] if isinstance(dims, int) else dims
    return sorted(axis(d, rank) for d in listed) if rank else []


def number(value: Any) -> Number:
    """A Python number, as it stands in a graph."""
    return cast(Number, value)
