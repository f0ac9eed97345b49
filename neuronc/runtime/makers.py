"""Who made the bytes of each place last, found when somebody asks.

To note a write is one assignment; a reader looks at what was written where it reads, newest first,
until one write has all of it. That is mostly the first: what is read is what was just made.
"""

from __future__ import annotations

from neuronc.runtime.nodes import Places

Use = tuple[int, str]
"""The position of a node, and the name of an operand."""
_NOBODY: Use = (-1, "")


class Makers:
    """The last writer of each place, as nodes are visited in order."""

    def __init__(self, places: Places) -> None:
        self.overlaps, self.inside = places.overlaps, places.inside
        self.last = [_NOBODY] * places.count

    def write(self, place: int, by: Use) -> None:
        """Note who writes a place."""
        self.last[place] = by

    def of(self, place: int) -> list[tuple[int, Use]]:
        """Who made a place, or parts of it, and where; the newest first.

        Left out are those that a later one has written over.
        """
        own = self.last[place]
        found = [(by, other) for other in self.overlaps[place] if (by := self.last[other]) > own]
        found.sort(reverse=True)
        if own != _NOBODY:
            found.append((own, place))
        out: list[tuple[int, Use]] = []
        covers: list[set[int]] = []
        for by, other in found:
            if not any(other in inside for inside in covers):
                out.append((other, by))
            if inside := self.inside[other]:
                covers.append(inside)
                if place in inside:
                    break
        return out
