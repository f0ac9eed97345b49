"""HBM bytes that hold one value after another, and how temporaries share one arena."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from operator import attrgetter

from xdsl.ir import Block

from neuronc.artifact.model import BufferKind
from neuronc.dtypes import ElementType

ALIGN_BYTES = 64


@dataclass(eq=False)
class Storage:
    """Bytes that hold one value after another."""

    kind: BufferKind
    index: int
    shape: tuple[int, ...]
    element: ElementType
    block: Block | None = None
    """Where a temporary was made; only there may it be overwritten."""
    first: int = 0
    last: int = 0
    offset: int = 0
    number: int = -1

    @cached_property
    def bytes(self) -> int:
        """Size of the value."""
        return prod(self.shape) * self.element.bytes


def arrange(temporaries: list[Storage]) -> int:
    """First fit by live range, largest first; returns the size of the arena."""
    placed: list[Storage] = []
    top = 0
    for storage in sorted(temporaries, key=lambda s: -s.bytes):
        storage.offset = _first_fit(storage, placed)
        insort(placed, storage, key=attrgetter("offset"))
        top = max(top, storage.offset + storage.bytes)
    return top


def _first_fit(storage: Storage, placed: Sequence[Storage]) -> int:
    """The first offset beside those `placed`, by offset, that are alive at the same time."""
    start, first, last, size = 0, storage.first, storage.last, storage.bytes
    for other in placed:
        if other.first < last and first < other.last:
            if other.offset - start >= size:
                break
            start = max(start, -(-(other.offset + other.bytes) // ALIGN_BYTES) * ALIGN_BYTES)
    return start
