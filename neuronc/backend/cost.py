"""Time a kernel's streams on the target: the instructions themselves, priced by the table.

`neuronc.timeline` says when each record runs; `compile` reports the end, `profile` all of it.
"""

from __future__ import annotations

import numpy as np

from neuronc.hardware import Generation
from neuronc.isa.table import Engine
from neuronc.timeline.simulate import simulate


def kernel_seconds(streams: dict[Engine, np.ndarray], hw: Generation) -> float:
    """Time from the start to the last end of one kernel."""
    return simulate(streams, hw).seconds
