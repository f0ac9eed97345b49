"""One bucket of a dynamic program: exported again, with static shapes.

    f32[s0, 4], f32[s0]   and   {"s0": 3} or {"x": (3, 4)}   give   f32[3, 4], f32[3]

Torch itself does it: it traces the program's own module with inputs of these shapes. They have no
data, so nothing is computed.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Node
from torch.utils import _pytree as pytree

from neuronc.errors import InputError
from neuronc.frontend.given import Arguments, Extent
from neuronc.inputs import Shapes

_GUARD = "Guard failed: "


def respecialise(program: ExportedProgram, shapes: Shapes) -> ExportedProgram:
    """The program for these shapes of inputs and extents of symbols.

    Raises:
        InputError: they do not fit, or lie outside the ranges of the symbols.
    """
    if not shapes:
        return program
    nodes = _inputs(program)
    tensors = [n.meta["val"] for n in nodes if isinstance(n.meta.get("val"), torch.Tensor)]
    names = [n.name for n in nodes if isinstance(n.meta.get("val"), torch.Tensor)]
    known = [[_extent(e) for e in t.shape] for t in tensors]
    given = {_position(k): v for k, v in shapes.items()}
    filled = Arguments(names, known, "program").fill_in(given)
    if any(isinstance(extent, str) for shape in filled for extent in shape):
        return program
    examples = [
        torch.zeros([int(e) for e in shape], dtype=t.dtype, device=t.device)
        for shape, t in zip(filled, tensors, strict=True)
    ]
    args, kwargs = _arranged(program, nodes, iter(examples))
    with torch.no_grad():
        module: Any = program.module()
        try:
            return torch.export.export(module, args, kwargs)
        except (AssertionError, RuntimeError) as error:
            raise _outside(program, error) from error


def _outside(program: ExportedProgram, error: Exception) -> Exception:
    """What a failed guard means to the user; any other error is itself."""
    first = str(error).partition("\n")[0]
    if not first.startswith(_GUARD):
        return error
    ranges = cast(dict[Any, Any], cast(Any, program).range_constraints)
    known = ", ".join(f"{s} in [{r.lower}, {r.upper}]" for s, r in ranges.items())
    problem = f"it was exported for {first.removeprefix(_GUARD)}"
    return InputError("program", problem, f"its ranges are {known}", code="NRC-0906")


def _inputs(program: ExportedProgram) -> list[Node]:
    """The placeholders of what the caller gives."""
    specs = program.graph_signature.input_specs
    users = {s.arg.name for s in specs if s.kind is InputKind.USER_INPUT}
    nodes = program.graph_module.graph.nodes
    return [n for n in nodes if n.op == "placeholder" and n.name in users]


def _arranged(program: ExportedProgram, nodes: list[Node], examples: Any) -> tuple[Any, Any]:
    """The examples in the structure of the call, with its constants where they were."""
    leaves = [
        next(examples) if isinstance(n.meta.get("val"), torch.Tensor) else n.meta.get("val")
        for n in nodes
    ]
    spec: Any = program.call_spec.in_spec
    return cast(tuple[Any, Any], pytree.tree_unflatten(leaves, spec))


def _extent(extent: Any) -> Extent:
    """A number, or the expression of its symbols."""
    return extent if isinstance(extent, int) else str(extent).replace(" ", "")


def _position(key: int | str) -> int | str:
    if isinstance(key, str) and key.startswith("arg") and key[3:].isdecimal():
        return int(key[3:])
    return key
