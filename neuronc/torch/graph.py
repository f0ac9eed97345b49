"""From an FX graph with example values to a StableHLO module.

    placeholders    arguments of @main, named, in the order that is asked for
    calls           what their emitters write; see `emission`
    get_attr        constants, or graphs for higher-order operations
    output          results of @main

Each node needs `meta["val"]`, the fake tensor that torch leaves there, with static shapes. Nodes
that nothing reads are not emitted. Everything that has no emitter is collected first, and refused
in one error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxlib.mlir import ir
from torch.fx import GraphModule, Node

from neuronc.frontend.mlir import new_context
from neuronc.torch.build import Build
from neuronc.torch.elements import ELEMENT_OF, tensor_type
from neuronc.torch.emission import Walk
from neuronc.torch.flexible import spell_out
from neuronc.torch.layouts import walk_from_owners
from neuronc.torch.nodes import flat_outputs
from neuronc.torch.objections import check_graph
from neuronc.torch.ranges.interval import Range
from neuronc.torch.ranges.rules import index_bounds


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


def emit_graph(
    graph: GraphModule, arguments: Sequence[Argument], results: Sequence[Result]
) -> ir.Module:
    """The module with the one function @main.

    Raises:
        UnsupportedError: some operations have no emitter; it lists all of them.
    """
    spell_out(graph)
    walk_from_owners(graph)
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
