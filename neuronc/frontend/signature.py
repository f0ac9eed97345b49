"""Names and donation of the entry's arguments and results.

    {neuronc.name = "params['w']", neuronc.donated = 0}    argument, whose memory output 0 may take
    {neuronc.name = "result['loss']"}                      result

An argument is called by its location, as jax writes it, else `arg0`, `arg1`; a result by
`jax.result_info`, else `out0`, `out1`. Names are unique.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from jaxlib.mlir import ir
from xdsl.dialects.builtin import IntegerAttr, StringAttr, i64
from xdsl.ir import Attribute

from neuronc.frontend.locations import given_name

NAME = "neuronc.name"
DONATED = "neuronc.donated"
NOT_DONATED = -1
PARAMETER = re.compile(r"parameter_number = (\d+)")
OUTPUT = re.compile(r"output_index = array<i64: (\d+)>")


def argument_attributes(entry: ir.Operation) -> list[dict[str, Attribute]]:
    """One dictionary per argument."""
    names = argument_names(entry)
    donated = _donations(entry, len(names))
    return [
        {NAME: StringAttr(name), DONATED: IntegerAttr(output, i64)}
        for name, output in zip(names, donated, strict=True)
    ]


def argument_names(entry: ir.Operation) -> list[str]:
    """What each argument is called."""
    return _unique([given_name(a.location) for a in entry.regions[0].blocks[0].arguments], "arg")


def result_attributes(entry: ir.Operation) -> list[dict[str, Attribute]]:
    """One dictionary per result."""
    count = len(_result_types(entry))
    given = [_string(attrs, "jax.result_info") for attrs in _each(entry, "res_attrs", count)]
    return [{NAME: StringAttr(name)} for name in _unique(given, "out")]


def _donations(entry: ir.Operation, count: int) -> list[int]:
    """The output that may take each argument's memory.

    An argument is tied to an output (`tf.aliasing_output`), or free for any (`jax.buffer_donor`):
    then it goes to the first untaken output of its type.
    """
    attributes = _each(entry, "arg_attrs", count)
    aliased = _module_aliases(entry)
    donated = [
        aliased.get(index, _integer(attrs, "tf.aliasing_output"))
        for index, attrs in enumerate(attributes)
    ]
    results, taken = _result_types(entry), set(donated)
    for index, argument in enumerate(entry.regions[0].blocks[0].arguments):
        if "jax.buffer_donor" not in attributes[index]:
            continue
        free = (k for k, t in enumerate(results) if t == argument.type and k not in taken)
        donated[index] = next(free, NOT_DONATED)
        taken.add(donated[index])
    return donated


def _module_aliases(entry: ir.Operation) -> dict[int, int]:
    """Output by argument, as HLO modules say it: `mhlo.input_output_alias` of the module."""
    module = entry.parent
    aliases = module.attributes.get("mhlo.input_output_alias") if module else None
    if not isinstance(aliases, ir.ArrayAttr):
        return {}
    text = [str(alias) for alias in aliases]
    pairs = [(re.search(PARAMETER, alias), re.search(OUTPUT, alias)) for alias in text]
    return {int(argument[1]): int(out[1]) for argument, out in pairs if argument and out}


def _result_types(entry: ir.Operation) -> list[ir.Type]:
    return list(ir.FunctionType(ir.TypeAttr(entry.attributes["function_type"]).value).results)


def _each(entry: ir.Operation, field: str, count: int) -> list[dict[str, ir.Attribute]]:
    """The dictionaries of all arguments or results, empty where the program has none."""
    if field not in entry.attributes:
        return [{} for _ in range(count)]
    members = [ir.DictAttr(member) for member in ir.ArrayAttr(entry.attributes[field])]
    return [{m[i].name: m[i].attr for i in range(len(m))} for m in members]


def _string(attributes: dict[str, ir.Attribute], name: str) -> str:
    attribute = attributes.get(name)
    return attribute.value if isinstance(attribute, ir.StringAttr) else ""


def _integer(attributes: dict[str, ir.Attribute], name: str) -> int:
    attribute = attributes.get(name)
    return attribute.value if isinstance(attribute, ir.IntegerAttr) else NOT_DONATED


def _unique(given: Sequence[str], default: str) -> list[str]:
    """The given names, or `default` with the position where one is empty or taken."""
    names: list[str] = []
    for index, name in enumerate(given):
        fits = name and name not in names
        names.append(name if fits else f"{default}{index}")
    return names
