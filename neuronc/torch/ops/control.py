"""Control flow: `cond`, `while_loop`, `scan`, `map`, and graphs that only wrap others.

The values that cross into a branch or a loop have torch's own types.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxlib.mlir import ir
from torch.fx import GraphModule, Node

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, shape_of
from neuronc.torch.elements import ELEMENT_OF, tensor_type, to_numpy
from neuronc.torch.scope import Scope
from neuronc.torch.table import higher_order


def _wide(s: Scope, index: int, values: Sequence[Any]) -> list[Value]:
    """The tensors of one argument in torch's own types."""
    nodes: Any = s.node.args[index]
    return [_one(s.b, node, value) for node, value in zip(nodes, values, strict=True)]


def _one(b: Build, node: Any, value: Any) -> Value:
    if not isinstance(value, Value):
        return b.array(to_numpy(torch.tensor(value)))
    assert isinstance(node, Node)
    return b.convert(value, ELEMENT_OF[node.meta["val"].dtype])


def _types(s: Scope) -> list[ir.Type]:
    return [tensor_type(o.shape, ELEMENT_OF[o.dtype]) for o in s.outs if o is not None]


@higher_order("cond")
def cond(
    s: Scope, predicate: Any, yes: GraphModule, no: GraphModule, operands: Sequence[Any] = ()
) -> list[Value]:
    """One of two graphs."""
    values = _wide(s, 3, operands) if operands else []
    chosen = s.b.reshape(s.cast(predicate, "i1"), ())

    def branch(graph: GraphModule) -> Callable[[Build], list[Value]]:
        return lambda inner: s.call(inner, graph, values)

    return s.b.conditional(chosen, _types(s), [branch(yes), branch(no)])


@higher_order("while_loop")
def while_loop(
    s: Scope,
    condition: GraphModule,
    body: GraphModule,
    carried: Sequence[Any],
    more: Sequence[Any] = (),
) -> list[Value]:
    """A graph on its own results, while another holds."""
    state = _wide(s, 2, carried)
    fixed = _wide(s, 3, more) if more else []

    def holds(inner: Build, *values: Value) -> list[Value]:
        return [inner.reshape(s.call(inner, condition, [*values, *fixed])[0], ())]

    def step(inner: Build, *values: Value) -> list[Value]:
        return s.call(inner, body, [*values, *fixed])

    return s.b.while_loop(state, holds, step)


def _slice_at(b: Build, x: Value, index: Value) -> Value:
    """x[index], with the index a scalar."""
    shape = shape_of(x)
    zero = b.splat(0, (), "i32")
    part = b.dynamic_slice(x, [index, *[zero] * (len(shape) - 1)], (1, *shape[1:]))
    return b.reshape(part, shape[1:])


def _write_at(b: Build, x: Value, part: Value, index: Value) -> Value:
    zero = b.splat(0, (), "i32")
    block = b.reshape(part, (1, *shape_of(part)))
    return b.dynamic_update_slice(x, block, [index, *[zero] * (len(shape_of(x)) - 1)])


def _loop(
    s: Scope, graph: GraphModule, state: list[Value], xs: list[Value], fixed: list[Value]
) -> list[Value]:
    """The graph for each entry of xs; its further results become the entries of arrays."""
    b, count = s.b, len(state)
    length = shape_of(xs[0])[0]
    ys = [b.splat(0, o.shape, ELEMENT_OF[o.dtype]) for o in s.outs[count:] if o is not None]

    def step(inner: Build, index: Value, *values: Value) -> list[Value]:
        carried, written = list(values[:count]), list(values[count:])
        parts = [_slice_at(inner, x, index) for x in xs]
        made = s.call(inner, graph, [*carried, *parts, *fixed])
        outs = [_write_at(inner, y, p, index) for y, p in zip(written, made[count:], strict=True)]
        return [inner.add(index, inner.like(1, index)), *made[:count], *outs]

    def more(inner: Build, index: Value, *_: Value) -> list[Value]:
        return [inner.compare("LT", index, inner.like(length, index))]

    start = b.array(np.array(0, np.int32))
    return b.while_loop([start, *state, *ys], more, step)[1:]


@higher_order("scan")
def scan(
    s: Scope, graph: GraphModule, initial: Sequence[Any], xs: Sequence[Any], more: Sequence[Any]
) -> list[Value]:
    """A graph that carries a state along the first dimension."""
    fixed = _wide(s, 3, more) if more else []
    return _loop(s, graph, _wide(s, 1, initial), _wide(s, 2, xs), fixed)


@higher_order("map_impl")
def map_impl(
    s: Scope, graph: GraphModule, xs: Sequence[Any], more: Sequence[Any] = ()
) -> list[Value]:
    """A graph on each entry of the first dimension."""
    fixed = _wide(s, 2, more) if more else []
    return _loop(s, graph, [], _wide(s, 1, xs), fixed)


@higher_order("wrap_with_set_grad_enabled")
def with_grad(s: Scope, enabled: bool, graph: GraphModule, *values: Any) -> list[Value]:
    """A graph that torch ran with gradients on or off; here the same."""
    return _wrapped(s, 2, graph, values)


@higher_order("wrap_with_autocast")
def with_autocast(
    s: Scope, device: str, dtype: Any, enabled: bool, cache: Any, graph: GraphModule, *values: Any
) -> list[Value]:
    """A graph whose casts are already in it."""
    return _wrapped(s, 5, graph, values)


@higher_order("invoke_subgraph")
def invoke_subgraph(s: Scope, graph: GraphModule, name: Any, *values: Any) -> list[Value]:
    """A graph that occurs several times."""
    return _wrapped(s, 2, graph, values)


def _wrapped(s: Scope, first: int, graph: GraphModule, values: Sequence[Any]) -> list[Value]:
    nodes = s.node.args[first:]
    given = [_one(s.b, n, v) for n, v in zip(nodes, values, strict=True)]
    return s.call(s.b, graph, given)
