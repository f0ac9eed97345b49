"""How long a program takes on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from neuronc.runtime.program import Program

RUNS = 5


@dataclass(frozen=True)
class Timing:
    """Seconds of the first run, which binds the kernels, and the median of some after it."""

    first_seconds: float
    median_seconds: float
    runs: int


def time_program(
    program: Program, arrays: Sequence[NDArray[np.generic]]
) -> tuple[list[NDArray[np.generic]], Timing]:
    """Run and measure; returns the outputs of the last run."""
    start = perf_counter()
    outputs = program(*arrays)
    first = perf_counter() - start
    seconds: list[float] = []
    for _ in range(RUNS):
        start = perf_counter()
        outputs = program(*arrays)
        seconds.append(perf_counter() - start)
    return outputs, Timing(first, median(seconds), RUNS)
