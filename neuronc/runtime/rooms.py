"""Memory of a thread for what is dead when a call ends: one room a name, which grows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from threading import get_ident, local

import numpy as np

from neuronc.runtime.memory import Array

_BYTES_MIN = 4 * 128 * 512
"""What a thread reserves at least: an operand of a matmul."""
_SPREAD_MIN = 1 << 12
"""Elements of a block that is worth a room."""
_rooms = local()


def room(name: str, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """The room of this thread, as an array; what was there before is lost."""
    need = prod(shape) * dtype.itemsize
    found: Array | None = getattr(_rooms, name, None)
    if found is None or found.nbytes < need:
        found = np.empty(max(need, _BYTES_MIN), np.uint8)
        setattr(_rooms, name, found)
    return found[:need].view(dtype).reshape(shape)


def is_spread(array: Array) -> bool:
    """Whether a block is better made in a room than in its place, where it takes several steps.

    Rows that are kilobytes apart meet in few sets of a cache, and leave it after each step.
    """
    return array.size >= _SPREAD_MIN and not array.flags.c_contiguous


@dataclass
class PerThread:
    """A call that is bound once for each thread that makes it, to the rooms of that thread."""

    bind: Callable[[], Callable[[], object]]
    calls: dict[int, Callable[[], object]] = field(default_factory=dict[int, Callable[[], object]])

    def __call__(self) -> None:
        """Make this thread's call."""
        call = self.calls.get(get_ident())
        if call is None:
            call = self.calls[get_ident()] = self.bind()
        call()
