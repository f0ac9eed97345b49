"""One graph on its way to StableHLO: the values of its nodes, and the intervals of its integers."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value
from neuronc.torch.elements import ELEMENT_OF, to_numpy
from neuronc.torch.locations import location
from neuronc.torch.nodes import (
    attribute,
    evaluate,
    flat_outputs,
    is_derivative,
    is_repeatable,
    leaves,
    needed,
)
from neuronc.torch.ops import emitter_of
from neuronc.torch.ranges.interval import INT32, Range
from neuronc.torch.ranges.rules import (
    computes_in_int64,
    index_bounds,
    range_of,
    range_of_values,
)
from neuronc.torch.scope import Scope, Spec

FOLDED_ELEMENTS_MAX = 1 << 20
"""Of an integer constant that is computed when the graph is emitted."""


class Walk:
    """What has been emitted of one graph."""

    def __init__(self, build: Build, graph: GraphModule) -> None:
        self.build = build
        self.graph = graph
        self.values: dict[Node, Any] = {}
        self.ranges: dict[Node, Range] = {}
        self._constant: set[Node] = set()

    def bind(self, node: Node, value: Value, known: Range | None = None) -> None:
        """Give a placeholder its value; one that is known to fit becomes i32."""
        tensor = node.meta.get("val")
        if isinstance(tensor, torch.Tensor) and tensor.dtype is torch.int64 and known:
            self.ranges[node] = known
            if INT32.holds(known):
                value = self.build.convert(value, "i32")
        self.values[node] = value

    def run(self) -> None:
        """Emit every node that something reads, in order."""
        reached = needed(self.graph)
        for node in self.graph.graph.nodes:
            if node not in reached or node in self.values:
                continue
            if node.op == "get_attr":
                self._get_attr(node)
            elif node.op == "call_function":
                self._call(node)

    def outputs(self) -> list[Value]:
        """What the graph returns, flat, in torch's own types."""
        return [self.wide(v) for v in flat_outputs(self.graph) if v is not None]

    def wide(self, value: Any) -> Value:
        """A node's value, or a number, in the type that torch gives it."""
        if not isinstance(value, Node):
            return self.build.array(to_numpy(torch.tensor(value)))
        return self.build.convert(self.values[value], ELEMENT_OF[value.meta["val"].dtype])

    def _get_attr(self, node: Node) -> None:
        found = attribute(self.graph, str(node.target))
        if isinstance(found, torch.Tensor):
            self._constant.add(node)
            self._bind_constant(node, found)
        else:
            self.values[node] = found

    def _bind_constant(self, node: Node, tensor: torch.Tensor) -> None:
        known = range_of_values(tensor) if tensor.dtype is torch.int64 else None
        fits = known is not None and INT32.holds(known)
        self.values[node] = self.build.array(to_numpy(tensor.to(torch.int32) if fits else tensor))
        if known is not None:
            self.ranges[node] = known

    def _call(self, node: Node) -> None:
        if node.target is operator.getitem:
            self._getitem(node)
            return
        inputs = node.all_input_nodes
        if all(i in self._constant for i in inputs) and is_repeatable(node):
            self._constant.add(node)
        specs = [self._spec(node, v) for v in leaves(node.meta.get("val"))]
        if self._fold(node, specs):
            return
        emitter = emitter_of(node.target)
        assert emitter is not None, node.target
        self.build.loc = location(node)
        if made := self._without_elements(specs):
            self.values[node] = made if len(specs) > 1 else made[0]
            return
        scope = Scope(self.build, node, self._computed(node, specs), self.ranges, self._inner)
        args: Any = map_arg(node.args, self.values.__getitem__)
        kwargs: Any = map_arg(node.kwargs, self.values.__getitem__)
        if is_derivative(node) and specs[0] is not None:
            args = [self._spread(a, specs[0].shape) for a in args]
        self.values[node] = self._typed(node, specs, emitter(scope, *args, **kwargs))

    def _without_elements(self, specs: Sequence[Spec | None]) -> list[Value]:
        """Results of which none has an element, so that no emitter divides by an extent of 0."""
        if not all(spec is not None and 0 in spec.shape for spec in specs):
            return []
        return [self.build.splat(0, spec.shape, spec.element) for spec in specs if spec]

    def _spread(self, value: Any, shape: tuple[int, ...]) -> Any:
        return self.build.broadcast(value, shape) if isinstance(value, Value) else value

    def _typed(self, node: Node, specs: Sequence[Spec | None], emitted: Any) -> Any:
        """What was emitted, each in the element that was promised."""
        if isinstance(emitted, Value):
            (spec,) = specs
            assert spec is not None
            return self.build.convert(emitted, spec.element)
        if emitted is None:
            return None
        return [
            self.build.convert(v, s.element) if isinstance(v, Value) and s is not None else v
            for v, s in zip(emitted, specs, strict=True)
        ]

    def _getitem(self, node: Node) -> None:
        source, index = node.args[0], node.args[1]
        assert isinstance(source, Node)
        assert isinstance(index, int)
        value = self.values[source][index]
        if source in self._constant:
            self._constant.add(node)
        known = range_of(node, self.ranges)
        tensor = node.meta.get("val")
        if known is not None and isinstance(tensor, torch.Tensor) and tensor.dtype is torch.int64:
            self.ranges[node] = known
            if INT32.holds(known):
                value = self.build.convert(value, "i32")
        self.values[node] = value

    def _spec(self, node: Node, tensor: Any) -> Spec | None:
        if not isinstance(tensor, torch.Tensor):
            return None
        element = ELEMENT_OF[tensor.dtype]
        if tensor.dtype is torch.int64 and isinstance(node.meta["val"], torch.Tensor):
            known = range_of(node, self.ranges)
            if known is not None:
                self.ranges[node] = known
                element = "i32" if INT32.holds(known) else element
        return Spec(tuple(map(int, tensor.shape)), element, tensor.dtype)

    def _computed(self, node: Node, specs: list[Spec | None]) -> list[Spec | None]:
        """The types in which a result is computed; it may fit int32 where its operands do not."""
        spec = specs[0]
        if len(specs) == 1 and spec is not None and computes_in_int64(node, self.ranges):
            return [replace(spec, element=ELEMENT_OF[spec.dtype])]
        return specs

    def _fold(self, node: Node, specs: Sequence[Spec | None]) -> bool:
        """Compute an int64 value of no known range now, where nothing but constants goes in."""
        spec = specs[0] if len(specs) == 1 else None
        if spec is None or node not in self._constant or spec.element != "i64":
            return False
        if spec.dtype is not torch.int64 or node.meta["val"].numel() > FOLDED_ELEMENTS_MAX:
            return False
        self._bind_constant(node, evaluate(self.graph, node, {}))
        return True

    def _inner(self, build: Build, graph: GraphModule, values: Sequence[Value]) -> list[Value]:
        """Emit a graph that a node holds."""
        walk = Walk(build, graph)
        placeholders = [n for n in graph.graph.nodes if n.op == "placeholder"]
        for node, value in zip(placeholders, values, strict=True):
            walk.bind(node, value, index_bounds(node))
        walk.run()
        return walk.outputs()
