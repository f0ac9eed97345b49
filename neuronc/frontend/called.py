"""Functions that a custom call names, and how their bodies become regions."""

from __future__ import annotations

from jaxlib.mlir import ir

from neuronc.frontend.mlir import string_attribute


def called_function(module: ir.Module, op: ir.Operation) -> ir.Operation:
    """The one function that a custom call computes with."""
    (called,) = ir.ArrayAttr(op.attributes["called_computations"])
    name = ir.FlatSymbolRefAttr(called).value
    functions = (o.operation for o in module.body.operations)
    return next(f for f in functions if string_attribute(f, "sym_name") == name)


def fill_region(made: ir.Operation, function: ir.Operation) -> None:
    """Give an operation's empty region a copy of the function's body."""
    copy = function.clone(ir.InsertionPoint(function))
    block = copy.regions[0].blocks[0]
    block.append_to(made.regions[0])
    _end(block)
    copy.erase()


def _end(block: ir.Block) -> None:
    """Let the block end as a region does, not as a function."""
    last = list(block.operations)[-1].operation
    ir.Operation.create(
        "stablehlo.return",
        operands=list(last.operands),
        loc=last.location,
        ip=ir.InsertionPoint(last),
    )
    last.erase()
