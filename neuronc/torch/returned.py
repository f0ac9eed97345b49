"""What a graph returns: what the program computes, and what is only another name of memory.

    copy_(x, new) at the end         ->  one more output, donated x
    output t(w) of an input w        ->  a view that is made at each call, no output
    outputs y[0] and t(y)            ->  output y, and two views of it

Two outputs share memory where their fake tensors do, and lie there by the sizes, strides and
offsets of those: no chain of views is replayed, so none has to be legal for the tensor there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch.fx import GraphModule, Node

from neuronc.torch.layouts import memory_of, memory_order
from neuronc.torch.prepared import Output, Prepared, View, output_of, placeholders
from neuronc.torch.table import name_of

Tensor = torch.Tensor

VIEWS = {
    "aten.alias.default",
    "aten.as_strided.default",
    "aten.detach.default",
    "aten.expand.default",
    "aten.permute.default",
    "aten.select.int",
    "aten.slice.Tensor",
    "aten.squeeze.dim",
    "aten.squeeze.dims",
    "aten.t.default",
    "aten.transpose.int",
    "aten.unsqueeze.default",
    "aten.view.default",
}
"""Operations whose result is the memory of their first argument."""


@dataclass(frozen=True)
class Part:
    """A walk through the memory of a tensor."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int

    def __call__(self, owner: Tensor) -> Tensor:
        """The part of a tensor."""
        return owner.as_strided(self.size, self.stride, self.offset)


def mutations(graph: GraphModule) -> dict[Node, Node]:
    """New value by the argument that it is copied into; the copies are taken away."""
    found: dict[Node, Node] = {}
    for node in list(graph.graph.nodes):
        if node.op == "call_function" and name_of(node.target) == "aten.copy_.default":
            target, value = cast(tuple[Node, Node], node.args[:2])
            assert target.op == "placeholder", "torch copies into arguments only"
            node.replace_all_uses_with(value)
            graph.graph.erase_node(node)
            found[target] = value
    return found


def split_outputs(made: Prepared, changed: dict[Node, Node], shared: int) -> None:
    """Keep as the graph's outputs what the program computes; note where the rest comes from.

    Of the outputs, the first `shared` share memory as in eager.
    """
    arguments, output = placeholders(made.graph), output_of(made.graph)
    values = cast(tuple[Any, ...], output.args[0])
    owners = _owners(made.graph, [v for v in values[:shared] if isinstance(v, Node)])
    kept: list[Any] = []
    for position, value in enumerate(values):
        base, view = _view_of(value)
        if not isinstance(value, Node):
            made.outputs.append(Output(constant=value))
        elif base is not None and base not in changed:
            made.outputs.append(Output(argument=arguments.index(base), view=view))
        elif position < shared and value in owners:
            place = _place(kept, owners[value])
            made.outputs.append(Output(result=place, view=_part(value)))
        else:
            made.outputs.append(Output(result=len(kept)))
            kept.append(value)
    for target, value in changed.items():
        made.donated[arguments.index(target)] = len(kept)
        kept.append(value)
    output.args = (tuple(kept),)


def _owners(graph: GraphModule, values: list[Node]) -> dict[Node, Node]:
    """The node that makes the memory of a value, for those that share it with another one."""
    first: dict[int, Node] = {}
    for node in graph.graph.nodes:
        first.setdefault(memory_of(node), node)
    sharing = Counter(memory_of(v) for v in set(values))
    owned = {v: first[memory_of(v)] for v in values if memory_of(v) and sharing[memory_of(v)] > 1}
    return {v: owner for v, owner in owned.items() if _is_whole(owner) and _is_alike(v, owner)}


def _is_whole(node: Node) -> bool:
    """Whether the program can compute it, and it fills its memory."""
    value: Tensor = node.meta["val"]
    if node.op != "call_function" or memory_order(value) is None or value.storage_offset():
        return False
    return value.untyped_storage().nbytes() == value.numel() * value.itemsize


def _is_alike(one: Node, other: Node) -> bool:
    """Whether the one can be a walk through the other."""
    x, y = one.meta["val"], other.meta["val"]
    return x.dtype is y.dtype and not (x.is_conj() or x.is_neg())


def _part(value: Node) -> View:
    tensor: Tensor = value.meta["val"]
    return Part(tuple(tensor.shape), tensor.stride(), int(tensor.storage_offset()))


def _place(kept: list[Any], value: Node) -> int:
    """Where a value is among the results, put there if it is not."""
    if value not in kept:
        kept.append(value)
    return kept.index(value)


def _view_of(value: Any) -> tuple[Node | None, View]:
    """The argument that a value is a view of, if it is one; and how it is made."""
    chain: list[Node] = []
    while isinstance(value, Node) and name_of(value.target) in VIEWS:
        chain.append(value)
        value = value.args[0]

    def view(tensor: Tensor) -> Tensor:
        for node in reversed(chain):
            target = cast(Callable[..., Tensor], node.target)
            tensor = target(tensor, *node.args[1:], **node.kwargs)
        return tensor

    return (value if isinstance(value, Node) and value.op == "placeholder" else None), view
