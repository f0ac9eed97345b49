"""HBM bytes that hold one value after another, and how temporaries share one arena."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

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

    @property
    def bytes(self) -> int:
        """Size of the value."""
        return prod(self.shape) * self.element.bytes


def arrange(temporaries: list[Storage]) -> int:
    """First fit by live range, largest first; returns the size of the arena."""
    placed: list[Storage] = []
    top = 0
    for storage in sorted(temporaries, key=lambda s: -s.bytes):
        clashes = [p for p in placed if p.first < storage.last and storage.first < p.last]
        start = 0
        for other in sorted(clashes, key=lambda p: p.offset):
            if other.offset - start >= storage.bytes:
                break
            start = max(start, -(-(other.offset + other.bytes) // ALIGN_BYTES) * ALIGN_BYTES)
        storage.offset = start
        placed.append(storage)
        top = max(top, start + storage.bytes)
    return top
