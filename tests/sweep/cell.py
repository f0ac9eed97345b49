"""One cell: an operation at an element type, compiled, run from bytes, compared."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import ml_dtypes
import numpy as np
from jaxlib.mlir import ir
from numpy.typing import NDArray

from neuronc.artifact.container import read, to_bytes
from neuronc.dtypes import BY_NUMPY
from neuronc.errors import NeuroncError
from neuronc.frontend.mlir import new_context
from neuronc.numerics.casting import bits, kind
from neuronc.pipeline import compile_artifact
from neuronc.runtime.program import Program
from tests.conformance.coverage import ops_seen
from tests.sweep.known import differs
from tests.sweep.template import Template
from tests.sweep.values import inputs

Array = NDArray[np.generic]
Judge = Callable[[str, Sequence[Array]], list[Array] | str]
WORKS, REFUSED, CRASHED, WRONG = "works", "refused", "crashed", "wrong"


@dataclass(frozen=True)
class Cell:
    """What became of one program."""

    template: Template
    kind: str
    status: str
    detail: str
    engines: tuple[str, ...] = ()
    agrees: tuple[str, ...] = ()
    """The references that gave the same."""


@cache
def _context() -> ir.Context:
    """One for all, since making one takes longer than a program's verification."""
    return new_context()


def accepts(template: Template, kind: str) -> bool:
    """Whether MLIR's verifier takes the operation at the type."""
    context = _context()
    with context, ir.Location.unknown():
        handler = context.attach_diagnostic_handler(lambda diagnostic: True)
        try:
            return ir.Module.parse(template.text(kind)).operation.verify()
        except (ir.MLIRError, ValueError):
            return False
        finally:
            handler.detach()


def cells(templates: Sequence[Template]) -> list[tuple[Template, str]]:
    """Every program that the verifier takes."""
    return [(t, kind) for t in templates for kind in t.kinds if accepts(t, kind)]


def attempt(template: Template, kind: str, judges: dict[str, Judge]) -> Cell:
    """Try one; no error escapes."""
    text, arrays = template.text(kind), inputs(template, kind)
    try:
        artifact = read(to_bytes(compile_artifact(text, "cell")))
        results = Program(artifact)(*arrays)
    except NeuroncError as error:
        return Cell(template, kind, REFUSED, error.code)
    except Exception:
        return Cell(template, kind, CRASHED, traceback.format_exc(limit=-3))
    seen = ops_seen(text, "cell", artifact)
    engines = next(e for op, _, e in seen if op == template.op)
    wants = {name: judge(text, arrays) for name, judge in judges.items()}
    agrees = [n for n, want in wants.items() if not isinstance(want, str) and agree(results, want)]
    judged = [n for n, want in wants.items() if not isinstance(want, str)]
    detail = ""
    if judged and not agrees:
        detail = f"inputs {arrays}\n  got {results}\n  want {wants}"
    elif judges and not judged:
        detail = f"unjudged: {wants}"
    wrong = judged and not agrees and not differs(template, kind)
    status = WRONG if wrong else WORKS
    return Cell(template, kind, status, detail, engines, tuple(agrees))


def agree(got: Sequence[Array], want: Sequence[Array]) -> bool:
    """Whether all results have the same types, and values within some roundings."""
    return len(got) == len(want) and all(map(_same, got, want))


def _same(g: Array, w: Array) -> bool:
    if kind(w.dtype) == "u" and bits(w.dtype) == bits(g.dtype) and g.dtype != w.dtype:
        w = w.view(g.dtype)  # XLA's random bits are unsigned whatever the program says.
    if g.shape != w.shape or g.dtype != w.dtype:
        return False
    row = BY_NUMPY[g.dtype]
    if not (row.is_float or row.is_complex):
        return bool(np.array_equal(np.asarray(g, object), np.asarray(w, object)))
    wide = np.complex128 if row.is_complex else np.float64
    # Two functions, each within a few ulp of the true value.
    eps = 16 * float(ml_dtypes.finfo(g.dtype).eps)
    if row.is_complex:
        scale = np.where(np.isfinite(w), np.abs(w), 1.0)
        close = np.abs(g.astype(wide) - w) <= eps * (scale + 1)
        return bool(np.all(close | (np.isnan(g) & np.isnan(w)) | (g == w)))
    parts = ((g.astype(wide).real, w.astype(wide).real), (g.astype(wide).imag, w.astype(wide).imag))
    return all(np.allclose(a, b, rtol=eps, atol=min(eps, 1e-3), equal_nan=True) for a, b in parts)
