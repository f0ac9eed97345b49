"""Blocks that take turns, so that what fills one does not wait for who reads the one before."""

from __future__ import annotations

from dataclasses import dataclass, field

from neuronc.dtypes import ElementType
from neuronc.hardware import Generation
from neuronc.passes.builder import Builder
from neuronc.passes.operand import Ref

_ROOM = 1 / 8
"""Of SBUF, what the turns of one kind of block may take."""
_TURNS_MAX = 8
_Key = tuple[str, int, int, str]


@dataclass
class Pool:
    """The blocks of one pipeline, by what they are for and their size."""

    builder: Builder
    hw: Generation
    blocks: dict[_Key, list[Ref]] = field(default_factory=dict[_Key, list[Ref]])
    taken: dict[_Key, int] = field(default_factory=dict[_Key, int])

    def take(
        self,
        name: str,
        lanes: int,
        columns: int,
        kind: ElementType,
        turns: int = 0,
        memory: str = "sbuf",
        tiles: int = 1,
    ) -> Ref:
        """The block whose turn it is, of `turns` or of as many as there is room for."""
        key = (name, lanes, columns, kind.name)
        found = self.blocks.setdefault(key, [])
        size = columns * kind.bytes
        most = int(_ROOM * self.hw.sbuf_bytes_per_partition) // size
        turns = turns or max(2, min(_TURNS_MAX, most))
        number = self.taken.get(key, 0)
        self.taken[key] = number + 1
        if len(found) < turns:
            held = memory == "sbuf"
            found.append(self.builder.alloc(lanes, columns, kind, memory, tiles, held))
        return found[number % turns]
