"""One function: the entry becomes `@main`, and all calls are inlined into it."""

from __future__ import annotations

from dataclasses import dataclass

from jaxlib.mlir import ir

from neuronc.errors import InputError
from neuronc.frontend.mlir import name_of, operations, replace, string_attribute
from neuronc.frontend.types import Problem

CALL = "func.call"
MAIN = "main"


def entry_function(module: ir.Module, name: str) -> ir.Operation:
    """The function to compile, renamed to `@main`; all others become private.

    It is `@main` if there is one, else the only public function, else the only function.
    """
    functions = _functions(module.operation)
    public = {n: f for n, f in functions.items() if _is_public(f)}
    choice = functions if len(functions) == 1 else public
    if MAIN not in functions and len(choice) != 1:
        listed = ", ".join(f"@{n}" for n in choice) or "none"
        hint = f"public functions: {listed}; call the one to compile @main"
        raise InputError(name, "there is no function @main", hint, code="NRC-0107")
    entry = functions.get(MAIN) or next(iter(choice.values()))
    if not len(entry.regions[0].blocks):
        hint = "@main is only declared; export the whole module"
        raise InputError(name, "the function @main has no body", hint, code="NRC-0108")
    for function in functions.values():
        function.attributes["sym_visibility"] = ir.StringAttr.get("private")
    entry.attributes["sym_visibility"] = ir.StringAttr.get("public")
    entry.attributes["sym_name"] = ir.StringAttr.get(MAIN)
    return entry


def inline_calls(module: ir.Module, entry: ir.Operation) -> None:
    """Put the body of every callee in the place of its calls, innermost first.

    What cannot be inlined stays: recursion, and functions that are not one block.
    """
    _Inliner(module, _functions(module.operation)).inline_into(entry, (MAIN,))


def call_problem(call: ir.Operation) -> Problem:
    """Why a call could not be inlined."""
    callee = string_attribute(call, "callee")
    blocks = len(_functions(_outermost(call))[callee].regions[0].blocks)
    if blocks == 1:
        hint = "write the recursion as a loop: stablehlo.while, jax.lax.while_loop"
        return Problem("NRC-0208", f"the call of @{callee} inside itself", hint)
    what = f"the call of @{callee}, which has {blocks} blocks,"
    hint = "write branches as stablehlo.if or stablehlo.case, and give every function a body"
    return Problem("NRC-0209", what, hint)


@dataclass(frozen=True)
class _Inliner:
    module: ir.Module
    functions: dict[str, ir.Operation]

    def inline_into(self, caller: ir.Operation, callers: tuple[str, ...]) -> None:
        """Inline all calls in `caller`, which is itself called by `callers`."""
        for call in operations(caller):
            callee = string_attribute(call, "callee")
            if name_of(call) == CALL and callee not in callers and self._is_one_block(callee):
                self.inline_into(self.functions[callee], (*callers, callee))
                self._inline(call, self.functions[callee])

    def _is_one_block(self, callee: str) -> bool:
        return len(self.functions[callee].regions[0].blocks) == 1

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


def _outermost(op: ir.Operation) -> ir.Operation:
    parent = op.parent
    return op if parent is None else _outermost(parent.operation)


def _functions(module: ir.Operation) -> dict[str, ir.Operation]:
    ops = [op.operation for op in module.regions[0].blocks[0].operations]
    return {string_attribute(op, "sym_name"): op for op in ops if name_of(op) == "func.func"}


def _is_public(function: ir.Operation) -> bool:
    return string_attribute(function, "sym_visibility") in ("", "public")
