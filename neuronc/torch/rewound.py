"""Random numbers of checkpointed regions, which are drawn twice: torch saves its generator's state.

    run_and_save_rng_state(op, ..)     ->  (state, op(..)), state one more argument
    run_with_rng_state(state, op, ..)  ->  op(..), drawn from that state

The backward graph has the state as an argument of its own, which the program does not read.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch.fx import GraphModule, Node

from neuronc.torch.prepared import Draw
from neuronc.torch.table import name_of

Tensor = torch.Tensor
SAVED, REWOUND = "run_and_save_rng_state", "run_with_rng_state"


@dataclass(frozen=True)
class Rewound:
    """A draw that is made again, from the state that an argument holds."""

    state: int
    draw: Draw

    def __call__(self, args: Sequence[Any]) -> Tensor:
        """What was drawn from that state; the generator stays as it is."""
        with cast(Any, torch.random).fork_rng(devices=[]):
            torch.set_rng_state(args[self.state])
            return self.draw(args)


def current_state(_: Sequence[Any]) -> Tensor:
    """The state of the generator now."""
    return torch.get_rng_state()


def hide_states(graph: GraphModule) -> None:
    """Let states be no tensors of the program: torch gives them a symbol for a shape."""
    for node in graph.graph.nodes:
        if name_of(node.target) == REWOUND:
            state = cast(Node, node.args[0])
            state.meta = {**state.meta, "val": None}


def unwrapped(graph: GraphModule, node: Node) -> Node:
    """The operation that draws, in place of the one that saves or takes the state.

    Of one that saves, who reads the state still reads the node.
    """
    saves = name_of(node.target) == SAVED
    op, *args = node.args[0 if saves else 1 :]
    with graph.graph.inserting_after(node):
        inner = graph.graph.call_function(cast(Any, op), tuple(args), node.kwargs)
    inner.meta = {**node.meta, "val": _value(inner)}
    if not saves:
        node.replace_all_uses_with(inner)
        graph.graph.erase_node(node)
        return inner
    for user in list(node.users):
        assert user.target is operator.getitem
        if user.args[1] == 1:
            user.replace_all_uses_with(inner)
            graph.graph.erase_node(user)
    return inner


def replace_saved(graph: GraphModule, node: Node, state: Node) -> None:
    """Let who reads the saved state read an argument, and take the node away."""
    for user in list(node.users):
        user.replace_all_uses_with(state)
        graph.graph.erase_node(user)
    graph.graph.erase_node(node)


def _value(node: Node) -> Any:
    """What torch would leave as the result's fake tensor, and does not leave here."""
    args = [a.meta["val"] if isinstance(a, Node) else a for a in node.args]
    modes = (n.meta.get("val") for n in node.graph.nodes)
    mode = next(m.fake_mode for m in modes if hasattr(m, "fake_mode"))
    with mode:
        return cast(Any, node.target)(*args, **node.kwargs)
