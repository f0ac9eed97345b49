"""What is read of an FX graph: which nodes count, what they hold, what they return."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch._ops import OpOverload
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

from neuronc.torch.table import name_of


def flat_outputs(graph: GraphModule) -> list[Any]:
    """What the graph returns, flattened; None where it returns none."""
    (output,) = [n for n in graph.graph.nodes if n.op == "output"]
    found: list[Any] = []
    _flatten(output.args[0], found)
    return found


def needed(graph: GraphModule) -> set[Node]:
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


def attribute(owner: Any, path: str) -> Any:
    """What a dotted path leads to."""
    for word in path.split("."):
        owner = getattr(owner, word)
    return owner


def leaves(value: Any) -> list[Any]:
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


def is_derivative(node: Node) -> bool:
    """Whether it is an elementwise derivative, whose operands `vmap` may leave to be broadcast."""
    target = node.target
    elementwise = isinstance(target, OpOverload) and torch.Tag.pointwise in target.tags
    return elementwise and name_of(target).endswith("_backward.default")


def is_repeatable(node: Node) -> bool:
    """Whether a call gives the same each time."""
    target = node.target
    return isinstance(target, OpOverload) and not {torch.Tag.nondeterministic_seeded} & set(
        target.tags
    )


def evaluate(graph: GraphModule, node: Node, known: dict[Node, Any]) -> Any:
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
            known[top] = attribute(graph, str(top.target))
        elif top not in known:
            target: Any = top.target
            args: Any = map_arg(top.args, known.__getitem__)
            kwargs: Any = map_arg(top.kwargs, known.__getitem__)
            known[top] = target(*args, **kwargs)
    return known[node]
