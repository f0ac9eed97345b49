"""What cannot be emitted of a graph, found before anything is: one error that lists all of it."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, cast

import torch
from torch.fx import GraphModule, Node

from neuronc.errors import UnsupportedError
from neuronc.torch.layouts import walk
from neuronc.torch.locations import describe
from neuronc.torch.nodes import attribute, leaves, needed
from neuronc.torch.ops import emitter_of
from neuronc.torch.table import CUSTOM, DROPOUT, PIVOTING, REFUSED, STRIDED, name_of

CHANGING = ("auto_functionalized", "auto_functionalized_v2")
"""What torch calls an operation of the user's by, to keep what it changes in order."""
LISTED_MAX = 20
"""Unsupported operations that a message spells out."""


def check_graph(graph: GraphModule) -> None:
    """Refuse a graph with operations that have no emitter, all in one message."""
    bad = list(_unsupported(graph))
    if not bad:
        return
    kinds = {_called(n) for n in bad}
    lines = [_complaint(n) for n in bad[:LISTED_MAX]]
    if len(bad) > LISTED_MAX:
        lines.append(f"and {len(bad) - LISTED_MAX} more")
    count = "1 operation is" if len(kinds) == 1 else f"{len(kinds)} operations are"
    problem = f"{count} not supported:\n    " + "\n    ".join(lines)
    hint = "give an operation its meaning with neuronc.torch.register, or write it another way"
    raise UnsupportedError("graph", problem, hint, code="NRC-0901")


def _called(node: Node) -> str:
    """The operation, by the name that its user knows."""
    name = name_of(node.target)
    return name_of(node.args[0]) if name in CHANGING else name


def _complaint(node: Node) -> str:
    name = _called(node)
    why = REFUSED.get(name) or _objection(node)
    return f"{name} at {describe(node)}" + (f": {why}" if why else "")


def _objection(node: Node) -> str:
    """Why an operation is refused as it is used here, though there may be an emitter for it."""
    name = name_of(node.target)
    if name in CUSTOM:
        return ""
    if name in CHANGING:
        return "it changes its arguments; let it return new values instead (mutates_args=())"
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
    reached = needed(graph)
    for node in graph.graph.nodes:
        if node not in reached:
            continue
        if node.op == "get_attr":
            inner = attribute(graph, str(node.target))
            if isinstance(inner, GraphModule):
                yield from _unsupported(inner)
        elif node.op in ("call_function", "call_method", "call_module"):
            known = node.target is operator.getitem or emitter_of(node.target)
            yield from () if known and not _objection(node) else (node,)


def _grows(node: Node) -> bool:
    """Whether a result has an extent that is known only when it runs."""
    shapes = [v.shape for v in leaves(node.meta.get("val")) if isinstance(v, torch.Tensor)]
    return any(type(extent) is not int for shape in shapes for extent in cast(Any, shape))


def _argument(node: Node, at: int, name: str, default: Any) -> Any:
    return node.args[at] if at < len(node.args) else node.kwargs.get(name, default)
