"""From an FX graph with example values to a StableHLO module.

    placeholders    arguments of @main, named, in the order that is asked for
    calls           what their emitters write; see `table`
    get_attr        constants, or graphs for higher-order operations
    output          results of @main

Each node needs `meta["val"]`, the fake tensor that torch leaves there, with static shapes. Nodes
that nothing reads are not emitted. Everything that has no emitter is collected first, and refused
in one error.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from jaxlib.mlir import ir
from torch._ops import OpOverload
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

from neuronc.errors import UnsupportedError
from neuronc.frontend.mlir import new_context
from neuronc.torch.build import Build
from neuronc.torch.building.values import Value
from neuronc.torch.elements import ELEMENT_OF, tensor_type, to_numpy
from neuronc.torch.layouts import walk
from neuronc.torch.locations import describe, location
from neuronc.torch.ops import emitter_of
from neuronc.torch.ranges.interval import INT32, Range
from neuronc.torch.ranges.rules import (
    computes_in_int64,
    index_bounds,
    range_of,
    range_of_values,
)
from neuronc.torch.scope import Scope, Spec
from neuronc.torch.table import CUSTOM, DROPOUT, PIVOTING, REFUSED, STRIDED, name_of

LISTED_MAX = 20
"""Unsupported operations that a message spells out."""
FOLDED_ELEMENTS_MAX = 1 << 20
"""Of an integer constant that is computed when the graph is emitted."""


@dataclass(frozen=True)
class Argument:
    """An argument of @main: its placeholder, its name, and the output that takes its memory."""

    node: Node
    name: str
    donated: int = -1
    range: Range | None = None
    """The interval of an integer argument, where its values are known."""


@dataclass(frozen=True)
class Result:
    """A result of @main: a node, or a number; and its name."""

    value: Any
    name: str


def emit_graph_module(
    graph: GraphModule, names: Sequence[str] = (), donated: Mapping[int, int] | None = None
) -> ir.Module:
    """All tensor placeholders in order, and all tensors of the output, flat and in order.

    `names` are those of the placeholders; `donated` gives an output by the placeholder whose
    memory it takes.
    """
    nodes = [n for n in graph.graph.nodes if n.op == "placeholder"]
    called = [*names, *(n.name for n in nodes[len(names) :])]
    tied = donated or {}
    arguments = [
        Argument(node, name, tied.get(i, -1))
        for i, (node, name) in enumerate(zip(nodes, called, strict=True))
        if _is_tensor(node)
    ]
    values = [v for v in flat_outputs(graph) if v is not None]
    return emit_graph(graph, arguments, [Result(v, f"out{i}") for i, v in enumerate(values)])


def flat_outputs(graph: GraphModule) -> list[Any]:
    """What the graph returns, flattened; None where it returns none."""
    (output,) = [n for n in graph.graph.nodes if n.op == "output"]
    found: list[Any] = []
    _flatten(output.args[0], found)
    return found


def emit_graph(
    graph: GraphModule, arguments: Sequence[Argument], results: Sequence[Result]
) -> ir.Module:
    """The module with the one function @main.

    Raises:
        UnsupportedError: some operations have no emitter; it lists all of them.
    """
    check_graph(graph)
    with new_context(), ir.Location.unknown() as unknown:
        module = ir.Module.create()
        types = [_argument_type(a.node) for a in arguments]
        result_types = [_result_type(r.value) for r in results]
        made = ir.Operation.create(
            "func.func",
            attributes={
                "sym_name": ir.StringAttr.get("main"),
                "function_type": ir.TypeAttr.get(ir.FunctionType.get(types, result_types)),
                "arg_attrs": _dictionaries([_argument_attributes(a) for a in arguments]),
                "res_attrs": _dictionaries(
                    [{"jax.result_info": ir.StringAttr.get(r.name)} for r in results]
                ),
            },
            regions=1,
            ip=ir.InsertionPoint(module.body),
        )
        places = [ir.Location.name(a.name, unknown) for a in arguments]
        block = made.regions[0].blocks.append(*types, arg_locs=places)
        build = Build(block, unknown)
        walk = Walk(build, graph)
        for argument, value in zip(arguments, block.arguments, strict=True):
            walk.bind(argument.node, value, argument.range or index_bounds(argument.node))
        walk.run()
        build.loc = unknown
        build.op("func.return", [walk.wide(r.value) for r in results], [])
        module.operation.verify()
    return module


def check_graph(graph: GraphModule) -> None:
    """Refuse a graph with operations that have no emitter, all in one message."""
    bad = list(_unsupported(graph))
    if not bad:
        return
    kinds = sorted({name_of(n.target) for n in bad})
    lines = [_complaint(n) for n in bad[:LISTED_MAX]]
    if len(bad) > LISTED_MAX:
        lines.append(f"and {len(bad) - LISTED_MAX} more")
    problem = f"{len(kinds)} operations are not supported:\n    " + "\n    ".join(lines)
    hint = "give an operation its meaning with neuronc.torch.register, or write it another way"
    raise UnsupportedError("graph", problem, hint, code="NRC-0901")


def _complaint(node: Node) -> str:
    name = name_of(node.target)
    why = REFUSED.get(name) or _objection(node)
    return f"{name} at {describe(node)}" + (f": {why}" if why else "")


def _objection(node: Node) -> str:
    """Why an operation is refused as it is used here, though there may be an emitter for it."""
    name = name_of(node.target)
    if name in CUSTOM:
        return ""
    if name in DROPOUT and _argument(node, DROPOUT[name], "dropout_p", 0.0):
        return "dropout_p is not 0; export the model in eval mode, or drop by nn.Dropout"
    if name in PIVOTING and not _argument(node, PIVOTING[name], "pivot", True):
        return "pivot=False; LAPACK always exchanges rows"
    if name in STRIDED and _leaves_memory(node, STRIDED[name]):
        return "it leaves the tensor for what else is in its memory"
    return "the shape of its result depends on the values" if _grows(node) else ""


def _leaves_memory(node: Node, at: int) -> bool:
    """Whether the walk that the arguments from `at` on describe leaves the first one."""
    tensor, size, stride = (cast(Any, node.args[i]) for i in (0, at, at + 1))
    offset = _argument(node, at + 2, "storage_offset", None)
    return walk(tensor.meta["val"], size, stride, offset) is None


def _unsupported(graph: GraphModule) -> Iterable[Node]:
    """What would be emitted, and cannot be."""
    needed = _needed(graph)
    for node in graph.graph.nodes:
        if node not in needed:
            continue
        if node.op == "get_attr":
            inner = _attribute(graph, str(node.target))
            if isinstance(inner, GraphModule):
                yield from _unsupported(inner)
        elif node.op in ("call_function", "call_method", "call_module"):
            known = node.target is operator.getitem or emitter_of(node.target)
            yield from () if known and not _objection(node) else (node,)


def _grows(node: Node) -> bool:
    """Whether a result has an extent that is known only when it runs."""
    shapes = [v.shape for v in _leaves(node.meta.get("val")) if isinstance(v, torch.Tensor)]
    return any(type(extent) is not int for shape in shapes for extent in cast(Any, shape))


def _argument(node: Node, at: int, name: str, default: Any) -> Any:
    return node.args[at] if at < len(node.args) else node.kwargs.get(name, default)


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
        needed = _needed(self.graph)
        for node in self.graph.graph.nodes:
            if node not in needed or node in self.values:
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
        found = _attribute(self.graph, str(node.target))
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
        if all(i in self._constant for i in inputs) and _is_repeatable(node):
            self._constant.add(node)
        specs = [self._spec(node, v) for v in _leaves(node.meta.get("val"))]
        if self._fold(node, specs):
            return
        emitter = emitter_of(node.target)
        assert emitter is not None, node.target
        self.build.loc = location(node)
        scope = Scope(self.build, node, self._computed(node, specs), self.ranges, self._inner)
        args: Any = map_arg(node.args, self.values.__getitem__)
        kwargs: Any = map_arg(node.kwargs, self.values.__getitem__)
        if _is_derivative(node) and specs[0] is not None:
            args = [self._spread(a, specs[0].shape) for a in args]
        self.values[node] = self._typed(node, specs, emitter(scope, *args, **kwargs))

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
        self._bind_constant(node, _evaluate(self.graph, node, {}))
        return True

    def _inner(self, build: Build, graph: GraphModule, values: Sequence[Value]) -> list[Value]:
        """Emit a graph that a node holds."""
        walk = Walk(build, graph)
        placeholders = [n for n in graph.graph.nodes if n.op == "placeholder"]
        for node, value in zip(placeholders, values, strict=True):
            walk.bind(node, value, index_bounds(node))
        walk.run()
        return walk.outputs()


def _is_derivative(node: Node) -> bool:
    """Whether it is an elementwise derivative, whose operands `vmap` may leave to be broadcast."""
    target = node.target
    elementwise = isinstance(target, OpOverload) and torch.Tag.pointwise in target.tags
    return elementwise and name_of(target).endswith("_backward.default")


def _is_repeatable(node: Node) -> bool:
    """Whether a call gives the same each time."""
    target = node.target
    return isinstance(target, OpOverload) and not {torch.Tag.nondeterministic_seeded} & set(
        target.tags
    )


def _evaluate(graph: GraphModule, node: Node, known: dict[Node, Any]) -> Any:
    """The value of a node that depends on constants only, by torch itself."""
    stack = [node]
    while stack:
        top = stack[-1]
        waiting = [i for i in top.all_input_nodes if i not in known]
        if waiting:
            stack.extend(waiting)
            continue
        stack.pop()
        if top.op == "get_attr":
            known[top] = _attribute(graph, str(top.target))
        elif top not in known:
            target: Any = top.target
            args: Any = map_arg(top.args, known.__getitem__)
            kwargs: Any = map_arg(top.kwargs, known.__getitem__)
            known[top] = target(*args, **kwargs)
    return known[node]


def _needed(graph: GraphModule) -> set[Node]:
    """The nodes that the output depends on."""
    (output,) = [n for n in graph.graph.nodes if n.op == "output"]
    found: set[Node] = set()
    stack = list(output.all_input_nodes)
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack.extend(node.all_input_nodes)
    return found


def _attribute(owner: Any, path: str) -> Any:
    for word in path.split("."):
        owner = getattr(owner, word)
    return owner


def _leaves(value: Any) -> list[Any]:
    """The results of a node, which are one value or a sequence."""
    return list(cast(Sequence[Any], value)) if isinstance(value, tuple | list) else [value]


def _flatten(value: Any, found: list[Any]) -> None:
    if isinstance(value, tuple | list):
        for member in cast(Sequence[Any], value):
            _flatten(member, found)
    elif isinstance(value, dict):
        for member in cast(dict[str, Any], value).values():
            _flatten(member, found)
    else:
        found.append(value)


def _is_tensor(node: Node) -> bool:
    return isinstance(node.meta.get("val"), torch.Tensor)


def _argument_type(node: Node) -> ir.Type:
    tensor = node.meta["val"]
    return tensor_type(tuple(map(int, tensor.shape)), ELEMENT_OF[tensor.dtype])


def _result_type(value: Any) -> ir.Type:
    tensor = value.meta["val"] if isinstance(value, Node) else torch.tensor(value)
    return tensor_type(tuple(map(int, tensor.shape)), ELEMENT_OF[tensor.dtype])


def _argument_attributes(argument: Argument) -> dict[str, ir.Attribute]:
    if argument.donated < 0:
        return {}
    kind = ir.IntegerType.get_signless(32)
    return {"tf.aliasing_output": ir.IntegerAttr.get(kind, argument.donated)}


def _dictionaries(members: Sequence[dict[str, ir.Attribute]]) -> ir.Attribute:
    return ir.ArrayAttr.get([ir.DictAttr.get(member) for member in members])
