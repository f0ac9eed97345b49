"""Numbers that a program hands to Python though they depend on no input: found, and put in.

    p = arange(8);  n = item(max(p) + 1);  repeat(x, [n, 1])     becomes     repeat(x, [8, 1])

While torch traces, no tensor has values, so it takes such a number for one that only a run tells,
and the shapes made of it for unknown. V-JEPA 2 repeats its mask tokens so.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

ITEM = "aten::item"
"""How an exported program hands a value to Python."""


def put_known(program: ExportedProgram) -> ExportedProgram:
    """The program, traced again with such numbers in their place; itself where it has none.

    Its inputs have static shapes, or nothing is done: the numbers may follow from them.
    """
    if not program.example_inputs or not _known(program.graph_module) or not _is_static(program):
        return program
    args, kwargs = program.example_inputs
    module: Any = program.module()
    found: dict[Node, Any] = {}
    for item in _known(module):
        item.replace_all_uses_with(_value(item, found))
        module.graph.erase_node(item)
    module.recompile()
    with torch.no_grad():
        return torch.export.export(module, args, kwargs)


def _is_static(program: ExportedProgram) -> bool:
    nodes = [n for n in program.graph.nodes if n.op == "placeholder"]
    extents = [e for n in nodes for e in getattr(n.meta.get("val"), "shape", ())]
    return all(isinstance(extent, int) for extent in extents)


def _known(graph: GraphModule) -> list[Node]:
    """The items whose values follow from the graph alone, and from nothing that it changes."""
    items = [n for n in graph.graph.nodes if _schema_name(n) == ITEM]
    if not items:
        return []
    changed = [a for n in graph.graph.nodes for c in _written(n) for a in _sources(c)]
    unknown = {n for n in graph.graph.nodes if not _is_determined(n)} | set(changed)
    return [n for n in items if not unknown.intersection(_sources(n))]


def _is_determined(node: Node) -> bool:
    """Whether an operation's result follows from its arguments, and it runs here."""
    if node.target is operator.getitem:
        return True
    if node.op != "call_function" or not _schema_name(node):
        return False
    tags: Any = getattr(node.target, "tags", ())
    random = torch.Tag.nondeterministic_seeded in tags
    made: Any = node.meta.get("val")
    away = isinstance(made, torch.Tensor) and made.device.type != "cpu"
    return not (random or away or "empty" in _schema_name(node))


def _sources(node: Node) -> set[Node]:
    """A node and all that it is computed of."""
    found, left = set[Node](), [node]
    while left:
        if (last := left.pop()) not in found:
            found.add(last)
            left += last.all_input_nodes
    return found


def _written(node: Node) -> list[Node]:
    """The arguments that an operation changes in place."""
    schema: Any = getattr(node.target, "_schema", None)
    if schema is None or not schema.is_mutable:
        return []
    named = zip((a.name for a in schema.arguments), node.args, strict=False)
    values: dict[str, Any] = {**dict(named), **node.kwargs}
    wrote = [a.name for a in schema.arguments if a.alias_info and a.alias_info.is_write]
    return [values[n] for n in wrote if isinstance(values.get(n), Node)]


def _schema_name(node: Node) -> str:
    return getattr(getattr(node.target, "_schema", None), "name", "")


def _value(node: Node, found: dict[Node, Any]) -> Any:
    """What a node computes, without any input."""
    needed = _sources(node) - found.keys()
    for source in (other for other in node.graph.nodes if other in needed):
        args, kwargs = torch.fx.map_arg((source.args, source.kwargs), found.__getitem__)
        found[source] = source.target(*args, **kwargs)
    return found[node]
