"""The targets of custom calls that the library serves, without its functions: quick to import."""

from __future__ import annotations

LAPACK = (
    *("geev", "gehrd", "geqp3", "geqrf", "gees", "gesdd", "gesvd", "getrf", "gtsv", "heevd"),
    *("hetrd", "orgqr", "ormqr", "potrf", "syevd", "sytrd", "trsm", "ungqr", "unmqr"),
)
"""Routines by LAPACK name without the type letter; `runtime/library` has one function for each."""
TARGETS = frozenset(f"lapack_{kind}{name}_ffi" for kind in "sdcz" for name in LAPACK)
"""As JAX calls them on CPU."""
