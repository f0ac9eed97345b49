"""Where neuronc means to differ from the references, and why."""

from __future__ import annotations

from neuronc.dtypes import BY_NAME
from tests.sweep.template import Template

_SIX = "XLA has no such type, and the interpreter rounds what is too large to zero, not to the end"
_NARROW = "the references round every step to the narrow type, neuronc the result"
_PADDED = "XLA leaves padding out; the specification folds the initial value into it"
_RANDOM = "any numbers of the distribution will do"
_UNORDERED = "the specification orders no complex numbers; XLA's GE breaks ties in its own way"
_FLUSHED = "XLA takes denormal numbers for 0, and the interpreter squares them to 0 or aborts"
_SMALL = ("f8E8M0FNU", "f4E2M1FN", "f8E4M3FNUZ", "f8E4M3", "f8E4M3FN", "f8E5M2", "f8E3M4",
          "f8E4M3B11FNUZ", "f8E5M2FNUZ")  # fmt: skip

DIFFERS: dict[tuple[str, str], str] = {
    ("chlo.asin", "f8E8M0FNU"): _NARROW,
    ("chlo.asin", "f4E2M1FN"): _NARROW,
    ("chlo.lgamma", "f8E8M0FNU"): _NARROW,
    **{("stablehlo.cholesky", kind): _NARROW for kind in _SMALL},
    **{("stablehlo.triangular_solve", kind): _NARROW for kind in _SMALL},
    **{("stablehlo.reduce_window", f"complex<{part}>"): _PADDED for part in ("f32", "f64")},
    **{("stablehlo.rng", kind): _RANDOM for kind in BY_NAME},
    **{("stablehlo.compare GE ", f"complex<{part}>"): _UNORDERED for part in ("f32", "f64")},
    ("stablehlo.compare GE  rank 7", "complex<f32>"): _UNORDERED,
    **{(f"stablehlo.compare {d}  denormal", "complex<f32>"): _FLUSHED
       for d in ("GE", "GT", "LE", "LT")},
    ("chlo.broadcast_compare denormal", "complex<f32>"): _FLUSHED,
    ("stablehlo.atan2 denormal", "complex<f32>"): _FLUSHED,
    ("chlo.broadcast_atan2 denormal", "complex<f32>"): _FLUSHED,
    ("chlo.asin denormal", "f8E4M3FN"): _NARROW,
}  # fmt: skip
"""By operation, or one program of it, and element type."""

UNCERTAIN = {"f6E2M3FN": _SIX, "f6E3M2FN": _SIX}
"""Element types whose programs run unjudged where the references disagree."""


def differs(template: Template, kind: str) -> bool:
    """Whether a disagreement is expected."""
    names = (template.op, template.id)
    return kind in UNCERTAIN or any((name, kind) in DIFFERS for name in names)
