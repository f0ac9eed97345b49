"""What broke a model into several graphs, and where: between them Python runs, on the host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from logging import Logger
from typing import Any, cast

import torch
from torch import _dynamo as dynamo
from torch._dynamo.utils import counters

_logged: Counter[str] = Counter()


@dataclass(frozen=True)
class Break:
    """One place where a graph ends."""

    reason: str
    where: str
    """`file:line in function`, of the user's own code."""


@dataclass(frozen=True)
class Explained:
    """What Dynamo makes of a model; `print` it."""

    graphs: int
    operations: tuple[int, ...]
    """Calls in each graph."""
    breaks: tuple[Break, ...]

    def __str__(self) -> str:
        counts = ", ".join(map(str, self.operations))
        lines = [f"{self.graphs} graphs of {counts} operations, {len(self.breaks)} breaks"]
        for number, found in enumerate(self.breaks, 1):
            lines += [f"  {number}. {found.where}", f"     {found.reason}"]
        return "\n".join(lines)


def explain(model: Callable[..., Any], *args: Any, **kwargs: Any) -> Explained:
    """Trace a model on example inputs, and list what breaks its graph. Nothing is compiled."""
    dynamo.reset()
    found: Any = cast(Any, dynamo.explain)(model)(*args, **kwargs)
    dynamo.reset()
    breaks = [_break(reason) for reason in found.break_reasons if _is_break(reason)]
    operations = [_calls(graph) for graph in found.graphs]
    return Explained(len(operations), tuple(operations), tuple(dict.fromkeys(breaks)))


def log_breaks(log: Logger) -> None:
    """Log the breaks that torch has counted since the last time, one line each."""
    seen = Counter(cast(dict[str, int], counters["graph_break"]))
    for reason in seen - _logged:
        log.warning("graph break: %s", _first_line(reason))
    _logged.clear()
    _logged.update(seen)


def _calls(graph: torch.fx.GraphModule) -> int:
    return sum(n.op.startswith("call_") for n in graph.graph.nodes)


def _is_break(reason: Any) -> bool:
    """A graph that ends because the function returns is whole."""
    return bool(getattr(reason, "graph_break", True))


def _break(reason: Any) -> Break:
    frames = list(reason.user_stack or [])
    where = f"{frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}" if frames else "?"
    return Break(_first_line(reason.reason), where)


def _first_line(text: str) -> str:
    """The reason without torch's advice."""
    lines = [line.strip() for line in str(text).strip().splitlines() if line.strip()]
    return lines[0] if lines else "no reason is given"
