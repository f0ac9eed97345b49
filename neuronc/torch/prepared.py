"""A graph of AOTAutograd that is ready to be emitted, and what is done around its program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.fx import GraphModule, Node

Draw = Callable[[Sequence[Any]], torch.Tensor]
"""From the arguments of a call to one more; it reads none but saved states of the generator."""
View = Callable[[torch.Tensor], torch.Tensor]
Order = tuple[int, ...]


@dataclass(frozen=True)
class Output:
    """One output of the graph: a result or an argument, or a view of it, or a constant."""

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
    layouts: dict[int, Order] = field(default_factory=dict[int, Order])
    """By argument: in which order its dimensions lie in memory, if that is not its own."""
    outputs: list[Output] = field(default_factory=list[Output])
    views: dict[int, Order] = field(default_factory=dict[int, Order])
    """By result that is no argument's memory: the order of its dimensions, if they are permuted."""


def placeholders(graph: GraphModule) -> list[Node]:
    """The arguments of a graph."""
    return [n for n in graph.graph.nodes if n.op == "placeholder"]


def output_of(graph: GraphModule) -> Node:
    """The node that names what a graph returns."""
    (output,) = [n for n in graph.graph.nodes if n.op == "output"]
    return output
