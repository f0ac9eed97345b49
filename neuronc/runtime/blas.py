"""One BLAS thread a call: the runtime's own workers share the cores instead.

Small multithreaded matmuls collapse (5 to 100 times slower) as soon as another process uses a
core, and independent tiles scale as well on workers. NumPy's wheels bring OpenBLAS; where another
library is linked nothing is changed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Generator
from contextlib import contextmanager
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


@cache
def _controls() -> tuple[Callable[[], int], Callable[[int], object]] | None:
    """The functions that read and set the number of threads of NumPy's OpenBLAS."""
    folder = Path(np.__file__).parents[1] / "numpy.libs"
    for path in sorted(folder.glob("*openblas*")):
        library = ctypes.CDLL(str(path))
        for prefix in _PREFIXES:
            for suffix in _SUFFIXES:
                get = getattr(library, f"{prefix}_get_num_threads{suffix}", None)
                put = getattr(library, f"{prefix}_set_num_threads{suffix}", None)
                if get is not None and put is not None:
                    return get, put
    return None
