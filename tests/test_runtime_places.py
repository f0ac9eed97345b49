"""Places: what shares bytes, by the bytes themselves, and what numbers passes keep."""

from __future__ import annotations

import numpy as np
import pytest

from neuronc.isa.operands import Memory
from neuronc.runtime.coalesce import coalesce
from neuronc.runtime.dots import make_dots
from neuronc.runtime.forward import forward
from neuronc.runtime.merge import merge_accumulations
from neuronc.runtime.nodes import Node, Places
from neuronc.runtime.packing import copy
from neuronc.runtime.stack import stack
from neuronc.runtime.views import View
from tests.test_runtime_coalesce import ALL, stored
from tests.test_runtime_forward import APART, F32, nodes_of


def some_view(chance: np.random.Generator) -> View:
    """Floats in rows of a few pitches: whole ones, parts, every second one."""
    pitch, rows = 16 << int(chance.integers(3)), int(chance.integers(1, 5))
    step = 4 * int(chance.integers(1, 3))
    columns = int(chance.integers(1, pitch // step + 1))
    offset = 4 * int(chance.integers(32))
    return View(int(Memory.SBUF), F32, offset, (rows, columns), (pitch, step))


def bytes_of(view: View) -> set[int]:
    steps = np.array(view.strides)
    starts = (view.offset + int(np.dot(at, steps)) for at in np.ndindex(view.shape))
    return {start + byte for start in starts for byte in range(view.itemsize)}


@pytest.mark.parametrize("seed", range(30))
def test_places_that_share_bytes_know_each_other(seed: int) -> None:
    chance, places = np.random.default_rng(seed), Places(APART)
    nodes = [copy(some_view(chance), some_view(chance)) for _ in range(30)]
    for start in (0, 10, 20):
        places.add(nodes[: start + 10])
    at = {n.views[name]: p for n in nodes for name, p in (*n.reads.items(), *n.writes.items())}
    held = {view: bytes_of(view) for view in at}
    assert places.count == len(set(at.values()))
    for one, place in at.items():
        for other, number in at.items():
            shares = number in (place, *places.overlaps[place])
            assert shares or not held[one] & held[other]
            assert number not in places.inside[place] or held[other] <= held[one]
            assert number != place or held[one] == held[other]


@pytest.mark.parametrize("seed", range(100))
def test_nodes_with_new_operands_have_new_numbers(seed: int) -> None:
    chance, places = np.random.default_rng(seed), Places(APART)
    records = [made for _ in range(int(chance.integers(1, 12))) for made in stored(chance)]
    nodes = forward(nodes_of(*ALL, *records), APART)
    for apply in (merge_accumulations, coalesce, make_dots):
        nodes = apply(nodes, places)
        assert_numbered(nodes, places)
    assert_numbered(stack(nodes, places)[0], places)


def assert_numbered(nodes: list[Node], places: Places) -> None:
    """Each operand has the number that a new node has for the same view."""
    places.add(nodes)
    for node in nodes:
        assert (*node.reads, *node.writes) == (*node.read, *node.written)
        for name, number in (*node.reads.items(), *node.writes.items()):
            again = copy(node.views[name], node.views[name])
            places.add([again])
            assert number == again.reads["src"]
