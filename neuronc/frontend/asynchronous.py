"""Asynchronous operations run where they start: one core has nothing to wait for.

    %f = stablehlo.async_start(%x) { ^bb0(%y): %r = <op> %y;  return %r };  %z = async_done(%f)
  becomes
    %z = <op> %x

Futures that go elsewhere than to the one who waits stay as they are.
"""

from __future__ import annotations

from jaxlib.mlir import ir

from neuronc.frontend.mlir import name_of, operations, replace

START, DONE = "stablehlo.async_start", "stablehlo.async_done"


def run_at_start(module: ir.Module) -> None:
    """Replace what is started and waited for."""
    ops = operations(module.operation)
    started = {op.results[0]: op for op in ops if name_of(op) == START}
    if not started:
        return
    kept = {value for op in ops if name_of(op) != DONE for value in op.operands}
    results = {f: _inline(op) for f, op in started.items() if f not in kept}
    for op in ops:
        if name_of(op) == DONE and op.operands[0] in results:
            replace(op, results[op.operands[0]])
    for future in results:
        started[future].erase()


def _inline(start: ir.Operation) -> list[ir.Value]:
    """Move the body to before its start; returns what it computes."""
    block = start.regions[0].blocks[0]
    for argument, operand in zip(block.arguments, start.operands, strict=True):
        argument.replace_all_uses_with(operand)
    *body, terminator = block.operations
    results = list(terminator.operands)
    for op in body:
        op.operation.move_before(start)
    return results
