"""Predicates that compare positions: iota arithmetic, as causal masks are written.

    compare GE (iota 0) + 3, (iota 1)
  is
    visible where 3 + i0 - i1 >= 0

so a kernel can tell without data which blocks a mask leaves whole, and which it hides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from xdsl.ir import Block, Operation, SSAValue

from neuronc.dialects.stablehlo.binary import CompareOp
from neuronc.dialects.stablehlo.movement import IotaOp
from neuronc.dialects.types import element_type, is_tensor, shape_of
from neuronc.passes.atoms import Atoms, Dim, align, apply_atoms, atoms_of
from neuronc.passes.attributes import string
from neuronc.passes.functions import function_name
from neuronc.passes.views import is_view_op, splat_of

_EXACT = 2**24
"""Positions up to here are whole numbers in any type that an iota may have on the engines."""


@dataclass(frozen=True)
class Visible:
    """True where the number that `atoms` walks is at least 0."""

    atoms: Atoms

    def inverted(self) -> Visible:
        """True where this is not: -number - 1 >= 0."""
        negative = tuple(tuple((n, -s) for n, s in dim) for dim in self.atoms.dims)
        return Visible(Atoms(None, -self.atoms.offset - 1, negative))


def visible_of(value: SSAValue) -> Visible | None:
    """The comparison of positions that a boolean is, through views and constants."""
    op = value.owner
    if isinstance(op, Block):
        return None
    if is_view_op(op):
        inner = visible_of(op.operands[0])
        atoms = apply_atoms(op, inner.atoms) if inner is not None else None
        return Visible(atoms) if atoms is not None else None
    if isinstance(op, CompareOp):
        return _compare(op)
    return _logical(op)


def _logical(op: Operation) -> Visible | None:
    """not(x), and(true, x), or(false, x), select(x, true, false)."""
    name = function_name(op) if "." in op.name else ""
    if name == "not":
        inner = visible_of(op.operands[0])
        return inner.inverted() if inner is not None else None
    splats = [splat_of(v) if is_tensor(v) else None for v in op.operands]
    truths = [None if s is None else bool(s) for s in splats]
    match name, truths:
        case ("and", [True, None]) | ("or", [False, None]):
            return visible_of(op.operands[1])
        case ("and", [None, True]) | ("or", [None, False]) | ("select", [None, True, False]):
            return visible_of(op.operands[0])
        case ("select", [None, False, True]):
            inner = visible_of(op.operands[0])
            return inner.inverted() if inner is not None else None
        case _:
            return None


def _compare(op: CompareOp) -> Visible | None:
    left, right = (_number(v) for v in op.operands)
    if left is None or right is None:
        return None
    forward, backward = _sum(left, right, -1), _sum(right, left, -1)
    chosen, shift = {
        "GE": (forward, 0),
        "GT": (forward, -1),
        "LE": (backward, 0),
        "LT": (backward, -1),
    }.get(string(op, "comparison_direction"), (None, 0))
    return Visible(replace(chosen, offset=chosen.offset + shift)) if chosen is not None else None


def _number(value: SSAValue) -> Atoms | None:
    """An integer that is affine in its position; None for anything else."""
    if not element_type(value).is_integer:
        return None
    splat = splat_of(value)
    if splat is not None:
        number = int(splat)
        dims: tuple[Dim, ...] = tuple(((n, 0),) if n > 1 else () for n in shape_of(value))
        return Atoms(None, number, dims) if abs(number) < _EXACT else None
    op = value.owner
    if isinstance(op, Block):
        return None
    if isinstance(op, IotaOp):
        return atoms_of(value, lambda _: False)
    if is_view_op(op):
        inner = _number(op.operands[0])
        return apply_atoms(op, inner) if inner is not None else None
    name = function_name(op)
    if name == "convert":
        return _number(op.operands[0])
    if name in ("add", "subtract"):
        left, right = (_number(v) for v in op.operands)
        return _sum(left, right, 1 if name == "add" else -1) if left and right else None
    return None


def _sum(left: Atoms, right: Atoms, sign: int) -> Atoms | None:
    dims: list[Dim] = []
    for a, b in zip(left.dims, right.dims, strict=True):
        pieces = align(a, b)
        if pieces is None:
            return None
        dims.append(tuple((n, s + sign * t) for n, s, t in pieces))
    return Atoms(None, left.offset + sign * right.offset, tuple(dims))
