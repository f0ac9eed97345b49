"""Tensors as they lie in memory: a program's are contiguous, torch's may be permuted.

    input w, a transposed matrix     ->  input of the untransposed one, transposed in the program
    output t(y)                      ->  output y, and a transposed view of it
    w.copy_(new) of such a w         ->  output of the new value in w's order

So no tensor is copied because of how it lies, and the strides of a result are those that torch
reckons with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import GraphModule, Node

from neuronc.torch.prepared import Order, Prepared, output_of, placeholders
from neuronc.torch.table import name_of

aten = torch.ops.aten
Tensor = torch.Tensor


def memory_order(value: Tensor) -> Order | None:
    """The order in which the dimensions of a tensor are contiguous; none if it has gaps."""
    if value.is_contiguous() or value.numel() == 0:
        return tuple(range(value.dim()))
    order = sorted(range(value.dim()), key=lambda d: (-value.stride(d), -value.shape[d]))
    return tuple(order) if value.permute(order).is_contiguous() else None


def walk(
    value: Tensor, size: Sequence[int], stride: Sequence[int], offset: int | None
) -> NDArray[np.int64] | None:
    """The elements of `value.as_strided(...)`, counted as they lie in its memory.

    None if it has gaps, or the walk leaves it for what else is in its memory.
    """
    start = 0 if offset is None else offset - int(value.storage_offset())
    at = np.full(tuple(size), start, np.int64)
    for d, (extent, step) in enumerate(zip(size, stride, strict=True)):
        at += (np.arange(extent) * step).reshape([-1 if k == d else 1 for k in range(len(size))])
    if memory_order(value) is None or (at.size and not (0 <= at.min() <= at.max() < value.numel())):
        return None
    return at


def memory_of(node: Node) -> int:
    """What identifies the memory of a node's tensor; 0 if it has none of its own."""
    value = node.meta.get("val")
    strided = isinstance(value, Tensor) and value.layout is torch.strided
    return cast(Any, value).untyped_storage()._cdata if strided else 0


def walk_from_owners(graph: GraphModule) -> None:
    """Let walks through a part of a memory start at the tensor that has all of it."""
    first: dict[int, Node] = {}
    for node in graph.graph.nodes:
        first.setdefault(memory_of(node), node)
        if name_of(node.target) not in ("aten.as_strided.default", "aten.as_strided_copy.default"):
            continue
        part = cast(Node, node.args[0])
        owner = first[memory_of(part)]
        x, y = part.meta["val"], owner.meta["val"]
        if memory_order(x) is None and x.dtype is y.dtype:
            given = node.args[3] if len(node.args) > 3 else node.kwargs.get("storage_offset")
            offset = int(x.storage_offset()) if given is None else given
            node.args, node.kwargs = (owner, *node.args[1:3], offset), {}


def lay_out(made: Prepared) -> None:
    """Take arguments and give results as they lie in memory."""
    _lay_out_arguments(made)
    _lay_out_results(made)


def _lay_out_arguments(made: Prepared) -> None:
    for index, node in enumerate(placeholders(made.graph)):
        order = _permutation(node)
        if order is None or not (node.users or index in made.donated):
            continue
        value: Tensor = node.meta["val"]
        permuted = _permute(made.graph, node, node.next, _inverse(order), value)
        node.replace_all_uses_with(permuted, delete_user_cb=lambda user, p=permuted: user is not p)
        # The backward graph's node has the same dictionary, and is compiled later.
        node.meta = {**node.meta, "val": value.permute(order)}
        made.layouts[index] = order


def _lay_out_results(made: Prepared) -> None:
    output = output_of(made.graph)
    owners = {result: argument for argument, result in made.donated.items()}
    values = list(cast(tuple[Any, ...], output.args[0]))
    for index, value in enumerate(values):
        order = made.layouts.get(owners[index]) if index in owners else _permutation(value)
        if order is None or not isinstance(value, Node):
            continue
        laid: Tensor = value.meta["val"].permute(order)
        values[index] = _permute(made.graph, value, output, order, laid)
        if index not in owners:
            made.views[index] = _inverse(order)
    output.args = (tuple(values),)


def _permutation(node: Any) -> Order | None:
    """How a node's dimensions are permuted in memory; none if they are not, or not only that."""
    value = node.meta.get("val") if isinstance(node, Node) else None
    order = memory_order(value) if isinstance(value, Tensor) else None
    return order if order != tuple(sorted(order or ())) else None


def _permute(graph: GraphModule, node: Node, before: Node, order: Order, value: Tensor) -> Node:
    with graph.graph.inserting_before(before):
        permuted = graph.graph.call_function(aten.permute.default, (node, list(order)))
    permuted.meta = {"val": value}
    return permuted


def _inverse(order: Order) -> Order:
    return tuple(order.index(d) for d in range(len(order)))
