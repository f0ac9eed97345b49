"""Contexts, passes and diagnostics of jaxlib's MLIR: how the frontend talks to it.

`import jax` is not needed. A context owns every type, attribute and constant payload made in it;
arrays that view a payload keep it alive.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache

from jaxlib.mlir import ir, passmanager

# The bindings themselves: `jaxlib.mlir.dialects` adds a class for each operation, which takes
# longer than all the rest, and nothing here builds operations that way.
from jaxlib.mlir._mlir_libs import _chlo as chlo
from jaxlib.mlir._mlir_libs import _jax_mlir_ext
from jaxlib.mlir._mlir_libs import _mlirHlo as mhlo
from jaxlib.mlir._mlir_libs import _sdy as sdy
from jaxlib.mlir._mlir_libs import _stablehlo as stablehlo

from neuronc.errors import InputError

Operation = ir.Operation


def new_context() -> ir.Context:
    """A context that knows every dialect a producer may use."""
    context = ir.Context()
    stablehlo.register_dialect(context)
    chlo.register_dialect(context)
    mhlo.register_mhlo_dialect(context)
    sdy.register_dialect(context)
    registry = ir.DialectRegistry()
    _jax_mlir_ext.register_dialects(registry)
    context.append_dialect_registry(registry)
    context.load_all_available_dialects()
    _load_quantised_types(context)
    return context


def run_passes(module: ir.Module, pipeline: str) -> None:
    """Run `builtin.module(pipeline)`; raises `ir.MLIRError`."""
    _register_passes()
    with module.context:
        passmanager.PassManager.parse(f"builtin.module({pipeline})").run(module.operation)


def operations(root: Operation) -> list[Operation]:
    """Every operation below `root`, a region's operations right after their parent."""
    found: list[Operation] = []
    _gather(root, found)
    return found


def _gather(root: Operation, found: list[Operation]) -> None:
    for region in root.regions:
        for block in region.blocks:
            for view in block.operations:
                op = view.operation
                found.append(op)
                if len(op.regions):
                    _gather(op, found)


def terminator(block: ir.Block) -> Operation:
    """The last operation of a block."""
    return block.operations[len(block.operations) - 1].operation


def name_of(op: Operation) -> str:
    """The full name of an operation, as `stablehlo.add`."""
    return op.name


def string_attribute(op: Operation, name: str) -> str:
    """The text of a string or symbol attribute, empty when absent."""
    attribute = op.attributes.get(name)
    if isinstance(attribute, ir.StringAttr | ir.FlatSymbolRefAttr):
        return attribute.value
    return ""


@contextmanager
def input_errors(
    context: ir.Context,
    name: str,
    code: str = "NRC-0106",
    hint: str = "",
    stop: str = "\0",
) -> Generator[None]:
    """Turn what MLIR reports inside, up to `stop`, into one InputError about the program `name`."""
    reported: list[tuple[str, str]] = []

    def keep(diagnostic: ir.Diagnostic) -> bool:
        reported.append((str(diagnostic.location), diagnostic.message))
        return True

    handler = context.attach_diagnostic_handler(keep)
    try:
        yield
    except ir.MLIRError as error:
        first = [(str(d.location), d.message) for d in error.error_diagnostics]
        where, problem = _first(first + reported, name, stop)
        raise InputError(where, problem, hint, code=code) from None
    except ValueError:
        if not reported:
            raise
        where, problem = _first(reported, name, stop)
        raise InputError(where, problem, hint, code=code) from None
    finally:
        handler.detach()


def _first(reported: list[tuple[str, str]], name: str, stop: str) -> tuple[str, str]:
    """Where and what of the first thing that was reported."""
    location, message = reported[0] if reported else ("", "MLIR rejects the program")
    return _place(location, name), message.split(stop)[0].strip()


def _place(location: str, name: str) -> str:
    """`file:line:col` from a printed location; line 0 means the whole input."""
    match = re.search(r'"([^"]*)":(\d+):(\d+)', location)
    if match is None or match[2] == "0":
        return name
    return f"{name if match[1] == '-' else match[1]}:{match[2]}:{match[3]}"


@cache
def _register_passes() -> None:
    stablehlo.register_stablehlo_passes()


def _load_quantised_types(context: ir.Context) -> None:
    """Make `!quant.uniform` known.

    No binding registers the dialect, but this pass depends on it, so that running it on an empty
    module loads it.
    """
    with context, ir.Location.unknown():
        run_passes(ir.Module.create(), "vhlo-legalize-to-stablehlo")


def integers(value: ir.Value) -> list[int] | None:
    """The elements of a constant of integers; None of any other value."""
    owner = value.owner
    if isinstance(owner, ir.Block) or name_of(owner.operation) != "stablehlo.constant":
        return None
    return list(ir.DenseIntElementsAttr(owner.operation.attributes["value"]))


def users_of(value: ir.Value) -> list[Operation]:
    """The operations that read a value."""
    return [use.owner.operation for use in value.uses]


def use_instead(users: list[Operation], old: ir.Value, new: ir.Value) -> None:
    """Let these operations read another value; whoever else reads the old one still does."""
    for user in users:
        for index, operand in enumerate(list(user.operands)):
            if operand == old:
                user.operands[index] = new


def replace(op: Operation, values: list[ir.Value]) -> None:
    """Put values in the place of an operation's results, and erase it."""
    for result, value in zip(op.results, values, strict=True):
        result.replace_all_uses_with(value)
    op.erase()
