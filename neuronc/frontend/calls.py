"""One function: the entry becomes `@main`, and all calls are inlined into it."""

from __future__ import annotations

from dataclasses import dataclass

from jaxlib.mlir import ir

from neuronc.errors import InputError, UnsupportedError
from neuronc.frontend.locations import Locations
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


def inline_calls(module: ir.Module, entry: ir.Operation, locations: Locations) -> None:
    """Put the body of every callee in the place of its calls, innermost first."""
    _Inliner(module, _functions(module), locations).inline_into(entry, (MAIN,))


@dataclass(frozen=True)
class _Inliner:
    module: ir.Module
    functions: dict[str, ir.Operation]
    locations: Locations

    def inline_into(self, caller: ir.Operation, callers: tuple[str, ...]) -> None:
        """Inline all calls in `caller`, which is itself called by `callers`."""
        for call in operations(caller):
            if name_of(call) == CALL:
                callee = string_attribute(call, "callee")
                self._check(call, callee, callers)
                self.inline_into(self.functions[callee], (*callers, callee))
                self._inline(call, self.functions[callee])

    def _check(self, call: ir.Operation, callee: str, callers: tuple[str, ...]) -> None:
        where = self.locations.place(call.location)
        if callee in callers:
            raise UnsupportedError(where, f"the call of @{callee} inside itself is not supported")
        if len(self.functions[callee].regions[0].blocks) != 1:
            raise UnsupportedError(where, f"@{callee} is not one block, which is not supported")

    def _inline(self, call: ir.Operation, callee: ir.Operation) -> None:
        """Move the body of a copy of the callee to the call."""
        copy = callee.clone(ir.InsertionPoint(self.module.body))
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
