"""The order in which products come together: in turns with everything else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush

from neuronc.runtime.nodes import Node


def turns(
    nodes: Sequence[Node], waits: Sequence[bool], before: Sequence[Sequence[int]]
) -> Iterator[tuple[list[Node], list[Node]]]:
    """All else that may run, in order, then all that wait for a turn: (others, products).

    `waits` says which nodes do, `before` what each must follow.
    """
    ready = _Ready(waits, before)
    while ready.others or ready.products:
        others = [ready.finish(position) for position in ready.next_others()]
        products = ready.take_products()
        for position in products:
            ready.finish(position)
        yield [nodes[position] for position in others], [nodes[position] for position in products]


class _Ready:
    """The positions that wait for nothing but their turn."""

    def __init__(self, waits: Sequence[bool], before: Sequence[Sequence[int]]) -> None:
        self.waits = waits
        self.missing = [len(earlier) for earlier in before]
        self.followers: list[list[int]] = [[] for _ in before]
        for position, earlier in enumerate(before):
            for other in earlier:
                self.followers[other].append(position)
        self.others: list[int] = []
        self.products: list[int] = []
        self._release(position for position, count in enumerate(self.missing) if not count)

    def next_others(self) -> Iterator[int]:
        """The others in order, and those that become ready meanwhile."""
        while self.others:
            yield heappop(self.others)

    def take_products(self) -> list[int]:
        """The products in order."""
        taken, self.products = sorted(self.products), []
        return taken

    def finish(self, position: int) -> int:
        """Let those go that waited for this one alone."""
        for other in self.followers[position]:
            self.missing[other] -= 1
        self._release(other for other in self.followers[position] if not self.missing[other])
        return position

    def _release(self, positions: Iterable[int]) -> None:
        for position in positions:
            if self.waits[position]:
                self.products.append(position)
            else:
                heappush(self.others, position)
