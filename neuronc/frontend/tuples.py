"""Tuples that enter or leave the program, as HLO has them, become their members.

  @main(%t: tuple<A, B>) -> tuple<C, D> { ..; return %r }
becomes
  @main(%a: A, %b: B) -> (C, D) { %t = tuple %a, %b; ..; return %r#0, %r#1 }
"""

from __future__ import annotations

from collections.abc import Iterator

from jaxlib.mlir import ir

from neuronc.frontend.mlir import terminator


def flatten_tuples(entry: ir.Operation) -> None:
    """Take the tuples of a function's signature apart; does nothing if there are none."""
    block = entry.regions[0].blocks[0]
    last = terminator(block)
    values: list[ir.Value] = [*block.arguments, *last.operands]
    if not any(isinstance(value.type, ir.TupleType) for value in values):
        return
    _flatten_arguments(block)
    results = [part for value in last.operands for part in _members(value, last)]
    ir.Operation.create(
        "func.return", operands=results, loc=last.location, ip=ir.InsertionPoint(last)
    )
    last.erase()
    types = ir.FunctionType.get(
        [argument.type for argument in block.arguments], [value.type for value in results]
    )
    entry.attributes["function_type"] = ir.TypeAttr.get(types)
    for name in ("arg_attrs", "res_attrs"):
        if name in entry.attributes:
            del entry.attributes[name]


def _flatten_arguments(block: ir.Block) -> None:
    """Each argument as the members of its tuple, in order."""
    given = list(block.arguments)
    start = ir.InsertionPoint(block.operations[0].operation)
    for argument in given:
        argument.replace_all_uses_with(_argument(block, argument.type, argument.location, start))
    for _ in given:
        block.erase_argument(0)


def _argument(
    block: ir.Block, type_: ir.Type, location: ir.Location, start: ir.InsertionPoint
) -> ir.Value:
    """A new argument, or a tuple of new arguments."""
    if not isinstance(type_, ir.TupleType):
        return block.add_argument(type_, location)
    kinds = [type_.get_type(index) for index in range(type_.num_types)]
    parts = [_argument(block, kind, location, start) for kind in kinds]
    made = ir.Operation.create(
        "stablehlo.tuple", results=[type_], operands=parts, loc=location, ip=start
    )
    return made.results[0]


def _members(value: ir.Value, before: ir.Operation) -> Iterator[ir.Value]:
    """The value, or what its tuple holds, innermost members in order."""
    if not isinstance(value.type, ir.TupleType):
        yield value
        return
    for index in range(value.type.num_types):
        number = ir.IntegerAttr.get(ir.IntegerType.get_signless(32), index)
        made = ir.Operation.create(
            "stablehlo.get_tuple_element",
            results=[value.type.get_type(index)],
            operands=[value],
            attributes={"index": number},
            loc=before.location,
            ip=ir.InsertionPoint(before),
        )
        yield from _members(made.results[0], before)
