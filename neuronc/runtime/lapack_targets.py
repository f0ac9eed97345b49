"""The targets of custom calls that the library serves, without its functions: quick to import."""

from __future__ import annotations

LAPACK = (
    *("geev", "gehrd", "geqp3", "geqrf", "gees", "gesdd", "gesvd", "getrf", "gtsv", "heevd"),
    *("hetrd", "orgqr", "ormqr", "potrf", "syevd", "sytrd", "trsm", "ungqr", "unmqr"),
)
"""Routines by LAPACK name without the type letter; `runtime/library` has one function for each."""
OTHERS = ("tridiagonal_solve_perturbed",)
"""Those of jaxlib itself, which serve every type by one name."""

TARGETS = {f"lapack_{kind}{name}_ffi": name for kind in "sdcz" for name in LAPACK} | {
    f"{name}_ffi": name for name in OTHERS
}
"""The routine of each target, as JAX calls it on CPU."""
