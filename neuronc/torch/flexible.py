"""Flexible attention, spelt out: torch's own dense definition of it in place of the one node.

    flex_attention(q, k, v, score_mod, block_mask, ..)
      becomes
    scores = q k^T scale;  softmax(where(mask_mod(..), score_mod(scores, ..), -inf)) v

The two functions of positions are run by torch over all of them at once, so what is left are the
operations of a model that writes its attention out. Blocks that are masked are computed too.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

import torch
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from neuronc.torch.decompositions import decompositions
from neuronc.torch.nodes import attribute
from neuronc.torch.table import name_of

aten: Any = torch.ops.aten
_TORCHS: Any = import_module("torch._higher_order_ops.flex_attention")
DENSE: dict[str, Callable[..., Any]] = {
    "flex_attention": _TORCHS.math_attention,
}
"""What torch runs for the node where it has no kernel; it has no gradient on the CPU."""
KEPT = ("nn_module_stack", "stack_trace")
"""Of a node's notes: where it comes from in the model."""


def spell_out(graph: GraphModule) -> None:
    """Replace every node of flexible attention."""
    found = [n for n in graph.graph.nodes if n.op == "call_function" and name_of(n.target) in DENSE]
    for node in found:
        made = _inlined(graph, node, _traced(graph, node))
        _replace(node, made)
    if found:
        graph.graph.lint()
        graph.recompile()


def _traced(graph: GraphModule, node: Node) -> GraphModule:
    """The dense definition for the shapes of the node's arguments, its tensors as placeholders."""
    leaves, spec = pytree.tree_flatten((node.args, node.kwargs))
    given = [attribute(graph, str(x.target)) if _is_attribute(x) else x for x in leaves]
    places = [i for i, x in enumerate(given) if isinstance(x, Node)]

    def run(*tensors: torch.Tensor) -> Any:
        filled = list(given)
        for place, tensor in zip(places, tensors, strict=True):
            filled[place] = tensor
        args, kwargs = cast(tuple[Any, Any], pytree.tree_unflatten(filled, spec))
        return DENSE[name_of(node.target)](*args, **kwargs)

    # In a mode of its own: that of torch.compile would take the extents for symbols.
    with unset_fake_temporarily(), FakeTensorMode(), torch.no_grad():
        examples = [_like(given[i].meta["val"]) for i in places]
        return make_fx(run, decomposition_table=decompositions())(*examples)


def _is_attribute(value: Any) -> bool:
    return isinstance(value, Node) and value.op == "get_attr"


def _like(value: torch.Tensor) -> torch.Tensor:
    return torch.empty_strided(tuple(value.shape), value.stride(), dtype=value.dtype)


def _inlined(graph: GraphModule, node: Node, traced: GraphModule) -> Any:
    """Copy a graph in front of the node; what it returns."""
    leaves = pytree.tree_leaves((node.args, node.kwargs))
    tensors = [x for x in leaves if isinstance(x, Node) and not _is_attribute(x)]
    inside = [n for n in traced.graph.nodes if n.op == "placeholder"]
    known: dict[Node, Any] = dict(zip(inside, tensors, strict=True))
    where = {key: node.meta[key] for key in KEPT if key in node.meta}
    for other in traced.graph.nodes:
        other.meta.update(where)
        if other.op == "get_attr":
            name = f"_{node.name}{other.target}"
            setattr(graph, name, attribute(traced, str(other.target)))
            other.target = name
    with graph.graph.inserting_before(node):
        return graph.graph.graph_copy(traced.graph, known)


def _replace(node: Node, made: Any) -> None:
    """Let each result be another name of what was made; an export knows its outputs by name."""
    for user in list(node.users):
        assert user.target is operator.getitem
        member = made[cast(int, user.args[1])]
        if isinstance(member, Node):
            user.target, user.args = aten.alias.default, (member,)
        else:
            _replace(user, member)
    node.graph.erase_node(node)
