"""A graph of AOTAutograd, made ready to be emitted: what runs on the device, and what stays here.

    mutation    copy_(x, new) at the end        ->  one more output, donated x
    randomness  native_dropout(x, p, True)      ->  x * m, m one more input that torch draws
    views       output t(w) of an input w       ->  a view that is made at each call, no output
    layouts     input w, a transposed matrix    ->  input of the untransposed one, transposed here

So cached keys and values are updated in place, random numbers are torch's own and in its order, and
no weight is copied because of how it lies in memory.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch.fx import GraphModule, Node

from neuronc.errors import UnsupportedError
from neuronc.torch.table import name_of

aten = torch.ops.aten
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

DRAWN = {
    "aten.bernoulli.p",
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
    "aten.bernoulli.default",
    "aten.exponential.default",
    "aten.geometric.default",
    "aten.log_normal.default",
    "aten.multinomial.default",
    "aten.normal.Tensor_Tensor",
    "aten.normal.Tensor_float",
    "aten.normal.float_Tensor",
    "aten.poisson.default",
    "aten.rrelu_with_noise.default",
}
"""Random numbers whose distribution is itself computed."""

RANDOM = DRAWN | UNDRAWN | {"aten.native_dropout.default"}
"""What must not be taken apart on the way here."""

Draw = Callable[[], Tensor]
View = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Output:
    """One output of the graph: a result of the program, a view of an argument, or a constant."""

    result: int = -1
    argument: int = -1
    view: View | None = None
    constant: Any = None


@dataclass
class Prepared:
    """A graph whose tensors are the program's, and what the caller does around it."""

    graph: GraphModule
    donated: dict[int, int] = field(default_factory=dict[int, int])
    """Result by the argument whose memory it takes."""
    draws: list[Draw] = field(default_factory=list[Draw])
    """The arguments after those of the graph: random numbers."""
    layouts: dict[int, tuple[int, ...]] = field(default_factory=dict[int, tuple[int, ...]])
    """By argument: in which order its dimensions lie in memory, if that is not its own."""
    outputs: list[Output] = field(default_factory=list[Output])


def prepare(graph: GraphModule) -> Prepared:
    """Rewrite a graph with static shapes; it is changed.

    Raises:
        UnsupportedError: it draws random numbers from a distribution that it computes.
    """
    made = Prepared(graph)
    _split_outputs(made, _mutations(graph))
    _draw(made)
    _lay_out(made)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return made


def _placeholders(graph: GraphModule) -> list[Node]:
    return [n for n in graph.graph.nodes if n.op == "placeholder"]


def _mutations(graph: GraphModule) -> dict[Node, Node]:
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


def _split_outputs(made: Prepared, mutations: dict[Node, Node]) -> None:
    """Keep as the graph's outputs what the program computes; note where the rest comes from."""
    placeholders = _placeholders(made.graph)
    (output,) = [n for n in made.graph.graph.nodes if n.op == "output"]
    kept: list[Any] = []
    for value in cast(tuple[Any, ...], output.args[0]):
        base, view = _view_of(value)
        if not isinstance(value, Node):
            made.outputs.append(Output(constant=value))
        elif base is not None and base not in mutations:
            made.outputs.append(Output(argument=placeholders.index(base), view=view))
        else:
            made.outputs.append(Output(result=len(kept)))
            kept.append(value)
    for target, value in mutations.items():
        made.donated[placeholders.index(target)] = len(kept)
        kept.append(value)
    output.args = (tuple(kept),)


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


def _draw(made: Prepared) -> None:
    """Turn random numbers into arguments, in the order in which eager torch draws them."""
    for node in list(made.graph.graph.nodes):
        name = name_of(node.target) if node.op == "call_function" else ""
        if name in UNDRAWN:
            hint = "draw it outside the compiled function, and pass it in"
            problem = f"{name} draws from a distribution that the graph computes"
            raise UnsupportedError("graph", problem, hint, code="NRC-0911")
        if name in DRAWN:
            node.replace_all_uses_with(_argument(made, node, _drawing(node), node.meta["val"]))
            made.graph.graph.erase_node(node)
        elif name == "aten.native_dropout.default":
            _drop_out(made, node)


def _argument(made: Prepared, node: Node, draw: Draw, value: Tensor) -> Node:
    """One more argument, which `draw` gives at each call."""
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

    def draw() -> Tensor:
        # Made here: while torch compiles, a new tensor would have no elements.
        return target(*(a() for a in given), **kwargs)

    return draw


def _like(argument: Any) -> Callable[[], Any]:
    """What an argument is at each call; of a tensor, one of its shape and type."""
    if not isinstance(argument, Node):
        return lambda: argument
    value: Tensor = argument.meta["val"]
    shape, dtype = tuple(value.shape), value.dtype
    return lambda: torch.empty(shape, dtype=dtype)


def _drop_out(made: Prepared, node: Node) -> None:
    """native_dropout(x, p, train) as on the CPU: x times noise that is 0 or 1 / (1 - p)."""
    x, p, train = cast(tuple[Node, float, bool | None], node.args)
    like: Tensor = x.meta["val"]
    shape, dtype = tuple(like.shape), like.dtype

    def noise() -> Tensor:
        drawn = torch.empty(shape, dtype=dtype)
        return drawn.fill_(0) if p == 1 else drawn.bernoulli_(1 - p).div_(1 - p)

    def ones() -> Tensor:
        return torch.ones(shape, dtype=dtype)

    drawn = _argument(made, node, ones if train is False else noise, like)
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


def _lay_out(made: Prepared) -> None:
    """Take arguments as they lie in memory, and permute their dimensions in the program."""
    graph = made.graph.graph
    for index, node in enumerate(_placeholders(made.graph)):
        value = node.meta.get("val")
        order = _order(value) if isinstance(value, Tensor) else None
        if order is None or not node.users:
            continue
        inverse = [order.index(d) for d in range(len(order))]
        with graph.inserting_after(node):
            permuted = graph.call_function(aten.permute.default, (node, inverse))
        node.replace_all_uses_with(permuted, delete_user_cb=lambda user, p=permuted: user is not p)
        permuted.meta = {"val": value}
        node.meta["val"] = cast(Tensor, value).permute(order)
        made.layouts[index] = order


def _order(value: Tensor) -> tuple[int, ...] | None:
    """The order of dimensions in which a dense tensor is contiguous; none if it is as it is."""
    if value.is_contiguous() or value.numel() == 0:
        return None
    order = sorted(range(value.dim()), key=lambda d: (-value.stride(d), -value.shape[d]))
    return tuple(order) if value.permute(order).is_contiguous() else None
