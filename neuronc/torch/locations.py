"""Where a node of a graph came from: the path of its module, and the line of Python.

    loc("layers.0.mlp"("model.py":31:0))

Torch keeps both beside each node: `nn_module_stack`, and the stack as it was traced.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import torch
from jaxlib.mlir import ir
from torch.fx import Node

TORCH = str(Path(torch.__file__).parent)
FRAME = re.compile(r'File "([^"]+)", line (\d+)')


def module_path(node: Node) -> str:
    """The path of the innermost module, as in the `state_dict`; empty for the model itself."""
    stack: dict[str, Any] = node.meta.get("nn_module_stack") or {}
    entries: list[Any] = list(stack.values())
    if not entries:
        return ""
    last = entries[-1]
    path = str(cast(tuple[Any, ...], last)[0] if isinstance(last, tuple) else last)
    return re.sub(r"^(L\['self'\]|L__self__)\.?", "", path)


def line_of(node: Node) -> tuple[str, int] | None:
    """The file and line of the innermost frame outside of torch, if there is one."""
    frames: list[tuple[str, str]] = FRAME.findall(str(node.meta.get("stack_trace") or ""))
    own = [f for f in frames if not f[0].startswith(TORCH)] or frames
    return (own[-1][0], int(own[-1][1])) if own else None


def location(node: Node) -> ir.Location:
    """Both as an MLIR location, in the current context."""
    line = line_of(node)
    place = ir.Location.file(line[0], line[1], 0) if line else ir.Location.unknown()
    path = module_path(node)
    return ir.Location.name(path, place) if path else place


def describe(node: Node) -> str:
    """`layers.0.mlp (model.py:31)`, for messages."""
    line, path = line_of(node), module_path(node)
    where = f"{line[0]}:{line[1]}" if line else ""
    return f"{path} ({where})" if path and where else path or where or node.name
