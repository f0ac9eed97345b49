"""How much HBM a program takes: what it is given, what it returns, and what it keeps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from neuronc.artifact.model import Buffer, BufferKind


@dataclass(frozen=True)
class Footprint:
    """Bytes of HBM by who owns them."""

    input_bytes: int
    output_bytes: int
    constant_bytes: int
    temporary_bytes: int

    @property
    def total_bytes(self) -> int:
        """All of them live at once."""
        given = self.input_bytes + self.output_bytes
        return given + self.constant_bytes + self.temporary_bytes


def footprint(buffers: Iterable[Buffer], temporary_bytes: int) -> Footprint:
    """Add up a program's buffers; temporaries share one arena, whose size is given."""
    sizes = {(b.kind, b.index): b.bytes for b in buffers if b.kind is not BufferKind.TEMPORARY}

    def total(kind: BufferKind) -> int:
        return sum(size for (of, _), size in sizes.items() if of is kind)

    return Footprint(
        input_bytes=total(BufferKind.INPUT),
        output_bytes=total(BufferKind.OUTPUT),
        constant_bytes=total(BufferKind.CONSTANT),
        temporary_bytes=temporary_bytes,
    )
