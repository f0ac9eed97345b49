"""Scans from the end run from the start of reversed arrays.

  %y, %c = chlo.scan(%x) inits(%i) dimension=0 {is_reverse = true} {..}
becomes
  %r = reverse %x;  %z, %c = chlo.scan(%r) inits(%i) dimension=0 {..};  %y = reverse %z

MLIR's expansion of chlo.scan does not look at `is_reverse`.
"""

from __future__ import annotations

from jaxlib.mlir import ir

from neuronc.frontend.mlir import name_of, operations, use_instead, users_of

SCAN, REVERSE = "chlo.scan", "is_reverse"


def scan_forwards(module: ir.Module) -> None:
    """Rewrite every scan from the end in place."""
    for op in operations(module.operation):
        if name_of(op) == SCAN and REVERSE in op.attributes:
            if ir.BoolAttr(op.attributes[REVERSE]).value:
                _turn(op)
            del op.attributes[REVERSE]


def _turn(op: ir.Operation) -> None:
    """Reverse what is scanned and what is collected; carries stay."""
    carries = len(op.regions[0].blocks[0].arguments) - _inputs(op)
    for index in range(_inputs(op)):
        op.operands[index] = _reversed(op, op.operands[index], ir.InsertionPoint(op))
    for result in op.results[: len(op.results) - carries]:
        users = users_of(result)
        use_instead(users, result, _reversed(op, result, ir.InsertionPoint.after(op)))


def _inputs(op: ir.Operation) -> int:
    """How many arrays are scanned: the first part of the operands."""
    return next(iter(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"])))


def _reversed(op: ir.Operation, value: ir.Value, at: ir.InsertionPoint) -> ir.Value:
    axis = ir.IntegerAttr(op.attributes["dimension"]).value
    made = ir.Operation.create(
        "stablehlo.reverse",
        results=[value.type],
        operands=[value],
        attributes={"dimensions": ir.DenseI64ArrayAttr.get([axis])},
        loc=op.location,
        ip=at,
    )
    return made.results[0]
