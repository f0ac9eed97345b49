"""Random numbers: torch draws them before the program runs, in eager's order.

    rand(n)                         ->  one more argument, drawn at each call
    native_dropout(x, p, True)      ->  x * m, m one more argument
    bernoulli(p)                    ->  rand(n) < p: what is drawn depends on no value

Each is drawn as torch's CPU kernel does, so that a seed gives the same bits.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch.fx import Node

from neuronc.errors import UnsupportedError
from neuronc.torch.prepared import Draw, Prepared, placeholders
from neuronc.torch.rewound import (
    REWOUND,
    SAVED,
    Rewound,
    current_state,
    replace_saved,
    unwrapped,
)
from neuronc.torch.table import name_of

aten = torch.ops.aten
Tensor = torch.Tensor

DRAWN = {
    "aten.bernoulli.p",
    "aten.cauchy.default",
    "aten.exponential.default",
    "aten.geometric.default",
    "aten.log_normal.default",
    "aten.normal_functional.default",
    "aten.rand.default",
    "aten.rand_like.default",
    "aten.randint.default",
    "aten.randint.low",
    "aten.randint_like.default",
    "aten.randint_like.low_dtype",
    "aten.randn.default",
    "aten.randn_like.default",
    "aten.randperm.default",
}
"""Random numbers whose distribution depends on no value: torch draws them at each call."""

UNDRAWN = {
    "aten.binomial.default",
    "aten.multinomial.default",
    "aten.poisson.default",
    "aten.rrelu_with_noise.default",
}
"""Random numbers whose distribution is itself computed."""

DROPOUT = "aten.native_dropout.default"
RANDOM = DRAWN | UNDRAWN | {DROPOUT}
"""What must not be taken apart on the way here."""


def draw(made: Prepared) -> None:
    """Turn random numbers into arguments, in the order in which eager torch draws them."""
    for node in list(made.graph.graph.nodes):
        name = name_of(node.target) if node.op == "call_function" else ""
        if name in (SAVED, REWOUND):
            _draw_twice(made, node)
        else:
            _draw_one(made, node, name, _as_it_is)


Around = Callable[[Draw], Draw]
"""What is done around a draw."""


def _as_it_is(draw: Draw) -> Draw:
    return draw


def _draw_twice(made: Prepared, node: Node) -> None:
    """The draw of a checkpointed region, in its forward graph or in its backward graph."""
    if name_of(node.target) == SAVED:
        state = _argument(made, node, current_state, None)
        inner = unwrapped(made.graph, node)
        replace_saved(made.graph, node, state)
        _draw_one(made, inner, name_of(inner.target), _as_it_is)
        return
    position = placeholders(made.graph).index(cast(Node, node.args[0]))
    inner = unwrapped(made.graph, node)
    _draw_one(made, inner, name_of(inner.target), lambda draw: Rewound(position, draw))


def _draw_one(made: Prepared, node: Node, name: str, around: Around) -> None:
    if name in UNDRAWN:
        hint = "draw it outside the compiled function, and pass it in"
        problem = f"{name} draws from a distribution that the graph computes"
        raise UnsupportedError("graph", problem, hint, code="NRC-0911")
    if name in DRAWN:
        drawn = _argument(made, node, around(_drawing(node)), node.meta["val"])
        node.replace_all_uses_with(drawn)
        made.graph.graph.erase_node(node)
    elif name == DROPOUT:
        _drop_out(made, node, around)


def _argument(made: Prepared, node: Node, draw: Draw, value: Tensor | None) -> Node:
    """One more argument, which `draw` gives at each call; of the program, if it is a tensor's."""
    graph = made.graph.graph
    with graph.inserting_before(next(n for n in graph.nodes if n.op != "placeholder")):
        new = graph.placeholder(f"random_{len(made.draws)}")
    new.meta["val"] = value
    made.draws.append(draw)
    return new


def _drawing(node: Node) -> Draw:
    """The draw of one operation; a tensor that it is like gives only shape and type."""
    target, kwargs = cast(Callable[..., Tensor], node.target), dict(node.kwargs)
    given = [_like(a) for a in node.args]

    def draw(_: Sequence[Any]) -> Tensor:
        # Made here: while torch compiles, a new tensor would have no elements.
        return target(*(a() for a in given), **kwargs)

    return draw


def _like(argument: Any) -> Callable[[], Any]:
    """What an argument is at each call; of a tensor, one that lies like it.

    Torch draws in the order of memory.
    """
    if not isinstance(argument, Node):
        return lambda: argument
    value: Tensor = argument.meta["val"]
    shape, stride, dtype = tuple(value.shape), value.stride(), value.dtype
    return lambda: torch.empty_strided(shape, stride, dtype=dtype)


def _drop_out(made: Prepared, node: Node, around: Around) -> None:
    """native_dropout(x, p, train) as on the CPU: x times noise that is 0 or 1 / (1 - p)."""
    x, p, train = cast(tuple[Node, float, bool | None], node.args)
    like: Tensor = node.meta["val"][0]
    empty = _like(x)

    def noise(_: Sequence[Any]) -> Tensor:
        drawn = torch.empty_like(empty())
        return drawn.fill_(0) if p == 1 else drawn.bernoulli_(1 - p).div_(1 - p)

    def ones(_: Sequence[Any]) -> Tensor:
        return torch.ones_like(empty())

    drawn = _argument(made, node, ones if train is False else around(noise), like)
    graph = made.graph.graph
    with graph.inserting_before(node):
        scaled = graph.call_function(aten.mul.Tensor, (x, drawn))
        mask = graph.call_function(aten.ne.Scalar, (drawn, 0))
    scaled.meta, mask.meta = dict(node.meta), dict(node.meta)
    scaled.meta["val"], mask.meta["val"] = node.meta["val"]
    for user in list(node.users):
        assert user.target is operator.getitem
        user.replace_all_uses_with((scaled, mask)[cast(int, user.args[1])])
        graph.erase_node(user)
    graph.erase_node(node)
