"""Operations that MLIR's verifier takes at element types where nobody gives them a meaning.

The specification is silent there, and XLA and the interpreter of the specification stop; MLIR's
expansion of CHLO even aborts the process, so these are looked for before it runs.
"""

from __future__ import annotations

from jaxlib.mlir import ir

from neuronc.errors import UnsupportedError
from neuronc.frontend.locations import Locations
from neuronc.frontend.mlir import name_of
from neuronc.frontend.types import Problem

_COMPLEX = ("complex<f32>", "complex<f64>")
_WHOLE = ("i1", *(f"{sign}i{bits}" for sign in ("", "u") for bits in (2, 4, 8, 16, 32, 64)))

GAPS: dict[str, frozenset[str]] = {
    "chlo.broadcast_next_after": frozenset(_COMPLEX),
    "chlo.broadcast_polygamma": frozenset((*_WHOLE, *_COMPLEX)),
    "chlo.broadcast_remainder": frozenset(_COMPLEX),
    "chlo.ragged_dot": frozenset(_COMPLEX),
    "chlo.top_k": frozenset(_COMPLEX),
    "stablehlo.remainder": frozenset(_COMPLEX),
}
"""Element types of the first operand, by operation."""

HINT = "compute on the real and imaginary parts, or convert the operands first"


def gap(op: ir.Operation) -> Problem | None:
    """Why an operation has no meaning at its element type, or None."""
    name = name_of(op)
    if name not in GAPS:
        return None
    type_ = op.operands[0].type
    element = str(type_.element_type) if isinstance(type_, ir.RankedTensorType) else ""
    return Problem("NRC-0215", f"{name} of {element}", HINT) if element in GAPS[name] else None


def refuse_gaps(ops: list[ir.Operation], name: str) -> None:
    """Raise an error for the first operation without a meaning; `name` is the program's."""
    for op in ops:
        found = gap(op)
        if found is not None:
            where = Locations(name).place(op.location)
            what = f"{found.what} {found.verdict}"
            raise UnsupportedError(where, what, found.hint, code=found.code)
