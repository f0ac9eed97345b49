"""Large products in two, where workers would wait: when, and that the halves are the whole."""

from __future__ import annotations

import numpy as np
import pytest

from neuronc.isa import instructions as isa
from neuronc.isa.table import Instruction
from neuronc.runtime import halves
from neuronc.runtime.nodes import Node
from neuronc.runtime.schedule import tasks
from tests.test_runtime_coalesce import ALL, PSUM, SBUF
from tests.test_runtime_forward import (
    APART,
    BUFFER_BYTES,
    SIDE,
    WRITTEN,
    in_hbm,
    nodes_of,
    on_chip,
    run,
)

A, B = on_chip(SBUF, 0), on_chip(SBUF, 1)
START = np.ones((2, BUFFER_BYTES // 4), np.float32)


def chain() -> list[Instruction]:
    """Each product waits for the one before."""
    out: list[Instruction] = []
    for _ in range(3):
        out += [isa.MatMul(on_chip(PSUM, 0), A, B, 0), isa.Copy(A, on_chip(PSUM, 0))]
    return [*out, isa.DmaCopy(in_hbm(WRITTEN, 0, 0), A, 0)]


def halve(nodes: list[Node]) -> list[Node]:
    """The nodes after the pass; its tasks run each of them once."""
    made, shares = halves.halve(nodes, tasks(nodes, APART), APART)
    assert sorted(at for task in shares for at in task.positions) == list(range(len(made)))
    return made


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halves, "HALVE_MIN", SIDE**3)
    monkeypatch.setattr("neuronc.runtime.schedule.SMALL_SECONDS", 0.0)
    monkeypatch.setattr("neuronc.runtime.schedule.SHARED_SECONDS", 0.0)
    monkeypatch.setattr("neuronc.runtime.schedule.GRAIN_SECONDS", 0.0)
    monkeypatch.setattr("neuronc.runtime.schedule._CALL_SECONDS", 0.0)


def test_a_chain_of_products_is_split() -> None:
    nodes = nodes_of(*ALL, *chain())
    made = halve(nodes)
    assert len(made) == len(nodes) + 3
    shapes = {node.views["dst"].shape for node in made if node.multiplies}
    assert shapes == {(SIDE // 2, SIDE)}
    assert run(made, START) == run(nodes, START)


def test_products_side_by_side_keep_their_size() -> None:
    banks = [on_chip(PSUM, tile, half * SIDE) for tile in range(2) for half in range(2)]
    nodes = nodes_of(*ALL, *(isa.MatMul(bank, A, B, 0) for bank in banks))
    assert halve(nodes) == nodes


def test_small_products_keep_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halves, "HALVE_MIN", SIDE**3 + 1)
    nodes = nodes_of(*ALL, *chain())
    assert halve(nodes) == nodes


def test_a_wide_result_is_cut_by_columns() -> None:
    wide = on_chip(PSUM, 0, 0, 4 * SIDE)
    nodes = nodes_of(*ALL, isa.MatMul(wide, A, on_chip(SBUF, 1, 0, 4 * SIDE), 0))
    made = [node.views["dst"].shape for node in halve(nodes) if node.multiplies]
    assert made == [(SIDE, 2 * SIDE)] * 2
