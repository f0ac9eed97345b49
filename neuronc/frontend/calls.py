"""One function: the entry becomes `@main`, and all calls are inlined into it."""

from __future__ import annotations

from jaxlib.mlir import ir

from neuronc.errors import InputError, UnsupportedError
from neuronc.frontend.mlir import name_of, operations, replace, string_attribute

CALL = "func.call"
MAIN = "main"


def entry_function(module: ir.Module, name: str) -> ir.Operation:
    """The function to compile, renamed to `@main`; all others become private.

    It is `@main` if there is one, else the only public function, else the only function.
    """
    functions = _functions(module)
    public = {n: f for n, f in functions.items() if _is_public(f)}
    choice = functions if len(functions) == 1 else public
    if MAIN not in functions and len(choice) != 1:
        listed = ", ".join(f"@{n}" for n in choice) or "none"
        raise InputError(name, "there is no function @main", f"public functions: {listed}")
    entry = functions.get(MAIN) or next(iter(choice.values()))
    if not len(entry.regions[0].blocks):
        raise InputError(name, "the function @main has no body")
    for function in functions.values():
        function.attributes["sym_visibility"] = ir.StringAttr.get("private")
    entry.attributes["sym_visibility"] = ir.StringAttr.get("public")
    entry.attributes["sym_name"] = ir.StringAttr.get(MAIN)
    return entry


def inline_calls(module: ir.Module, entry: ir.Operation) -> None:
    """Put the body of every callee in the place of its calls, innermost first."""
    _inline_into(entry, _functions(module), module, ())


def _inline_into(
    caller: ir.Operation,
    functions: dict[str, ir.Operation],
    module: ir.Module,
    callers: tuple[str, ...],
) -> None:
    for call in operations(caller):
        if name_of(call) != CALL:
            continue
        callee = string_attribute(call, "callee")
        if callee in callers:
            raise UnsupportedError(f"@{callee}", "a function that calls itself is not supported")
        _inline_into(functions[callee], functions, module, (*callers, callee))
        _inline(call, functions[callee], module)


def _inline(call: ir.Operation, callee: ir.Operation, module: ir.Module) -> None:
    """Move the body of a copy of the callee to the call."""
    copy = callee.clone(ir.InsertionPoint(module.body))
    block = copy.regions[0].blocks[0]
    for argument, operand in zip(block.arguments, call.operands, strict=True):
        argument.replace_all_uses_with(operand)
    *body, terminator = block.operations
    for op in body:
        op.operation.move_before(call)
    replace(call, list(terminator.operands))
    copy.erase()


def _functions(module: ir.Module) -> dict[str, ir.Operation]:
    ops = [op.operation for op in module.body.operations]
    return {string_attribute(op, "sym_name"): op for op in ops if name_of(op) == "func.func"}


def _is_public(function: ir.Operation) -> bool:
    return string_attribute(function, "sym_visibility") in ("", "public")
