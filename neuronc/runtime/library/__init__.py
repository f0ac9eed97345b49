"""The GpSimd library: every StableHLO array operation on whole arrays, for any element type.

`LIBRARY` maps op names to entries; importing this package fills it. Control flow is not here,
the program section runs it.
"""

from neuronc.runtime.library import (
    collective,
    contraction,
    dynamic,
    elementwise,
    fourier,
    indexing,
    lapack,
    linear_algebra,
    movement,
    normalisation,
    random_bits,
    reduction,
    scatter,
    schur,
    sorting,
    tridiagonal,
)
from neuronc.runtime.library.registry import LIBRARY, Entry, ResultType

MODULES = (
    collective,
    contraction,
    dynamic,
    elementwise,
    fourier,
    indexing,
    lapack,
    linear_algebra,
    movement,
    normalisation,
    random_bits,
    reduction,
    scatter,
    schur,
    sorting,
    tridiagonal,
)
"""Where the entries are."""

__all__ = ["LIBRARY", "Entry", "ResultType"]
