"""Which node makes the bytes that another one reads, operand by operand."""

from __future__ import annotations

from collections.abc import Sequence

from neuronc.runtime.makers import Makers, Use
from neuronc.runtime.nodes import Node, Places
from neuronc.runtime.views import View


class Flow:
    """Who makes, reads and reaches what."""

    def __init__(self, nodes: Sequence[Node], places: Places) -> None:
        self.nodes = list(nodes)
        self.places = places
        self.makers: list[dict[str, list[Use]]] = []
        """For each node, the makers of what each operand reads."""
        self.users: dict[Use, list[Use]] = {}
        self.touches: list[list[tuple[int, str, bool]]] = [[] for _ in range(places.count)]
        """For each place, who reaches it: position, operand, and whether it writes."""
        made = Makers(places)
        for at, node in enumerate(nodes):
            self._read(at, node, made)
            self._write(at, node, made)

    def _read(self, at: int, node: Node, made: Makers) -> None:
        self.makers.append({})
        for name, place in node.reads.items():
            if place >= 0:
                found = self._latest(made, place, node.views[name])
                self.makers[at][name] = found
                self.touches[place].append((at, name, False))
                for maker in found:
                    self.users.setdefault(maker, []).append((at, name))

    def _latest(self, made: Makers, place: int, view: View) -> list[Use]:
        """The makers of a view, without those whose bytes others have all written over."""
        out: list[Use] = []
        taken: set[int] = set()
        left = view.size * view.itemsize
        for where, maker in made.of(place):
            out.append(maker)
            if where in self.places.inside[place] and not self.meets(where, taken):
                of = self.view(maker)
                left -= of.size * of.itemsize
                if not left:
                    break
            taken.add(where)
        return out

    def view(self, use: Use) -> View:
        """Where an operand lies."""
        return self.nodes[use[0]].views[use[1]]

    def meets(self, place: int, others: set[int]) -> bool:
        """Whether a place shares a byte with one of several, or might."""
        return place in others or not others.isdisjoint(self.places.overlaps[place])

    def _write(self, at: int, node: Node, made: Makers) -> None:
        for name, place in node.writes.items():
            if place >= 0:
                self.touches[place].append((at, name, True))
                made.write(place, (at, name))
