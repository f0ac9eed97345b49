"""NumPy's OpenBLAS, called directly, and with one thread a call: workers share the cores instead.

Small multithreaded matmuls collapse (5 to 100 times slower) as soon as another process uses a
core, and independent tiles scale as well on workers. NumPy's wheels bring OpenBLAS; where another
library is linked nothing is changed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

_PREFIXES = ("scipy_openblas", "openblas")
_SUFFIXES = ("64_", "")


@contextmanager
def single_threaded() -> Generator[None]:
    """Run the body with one BLAS thread, then restore what was set."""
    found = _controls()
    if found is None:
        yield
        return
    get, put = found
    before = get()
    put(1)
    try:
        yield
    finally:
        put(before)


@dataclass(frozen=True)
class Cblas:
    """The functions of a BLAS, and the C types of their arguments."""

    sgemm: Callable[..., object]
    sgemv: Callable[..., object]
    somatcopy: Callable[..., object] | None
    """Copies a matrix, transposed; not every BLAS has it."""
    integer: type[ctypes.c_int32 | ctypes.c_int64]
    enum: type[ctypes.c_int] = ctypes.c_int
    real: type[ctypes.c_float] = ctypes.c_float
    pointer: type[ctypes.c_void_p] = ctypes.c_void_p


@cache
def cblas() -> Cblas | None:
    """NumPy's OpenBLAS, if it is one that can be called."""
    for library in _libraries():
        for suffix, integer in (("64_", ctypes.c_int64), ("", ctypes.c_int32)):
            for prefix in ("scipy_", ""):
                sgemm = getattr(library, f"{prefix}cblas_sgemm{suffix}", None)
                sgemv = getattr(library, f"{prefix}cblas_sgemv{suffix}", None)
                if sgemm is not None and sgemv is not None:
                    sgemm.restype = sgemv.restype = None
                    somatcopy = getattr(library, f"{prefix}cblas_somatcopy{suffix}", None)
                    if somatcopy is not None:
                        somatcopy.restype = None
                    return Cblas(sgemm, sgemv, somatcopy, integer)
    return None


@cache
def _controls() -> tuple[Callable[[], int], Callable[[int], object]] | None:
    """The functions that read and set the number of threads of NumPy's OpenBLAS."""
    for library in _libraries():
        for prefix in _PREFIXES:
            for suffix in _SUFFIXES:
                get = getattr(library, f"{prefix}_get_num_threads{suffix}", None)
                put = getattr(library, f"{prefix}_set_num_threads{suffix}", None)
                if get is not None and put is not None:
                    return get, put
    return None


@cache
def _libraries() -> tuple[ctypes.CDLL, ...]:
    folder = Path(np.__file__).parents[1] / "numpy.libs"
    return tuple(ctypes.CDLL(str(path)) for path in sorted(folder.glob("*openblas*")))
