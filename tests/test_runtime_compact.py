"""Values on chip renamed to fewer bytes, against running each record as it stands."""

from __future__ import annotations

import numpy as np
import pytest

from neuronc.hardware import TRN2
from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory
from neuronc.runtime import compact as compact_module
from neuronc.runtime.compact import compact
from neuronc.runtime.forward import forward
from neuronc.runtime.nodes import Node, Places
from neuronc.runtime.views import span_of
from tests.test_runtime_coalesce import ADD, ALL, PSUM, SBUF, stored
from tests.test_runtime_forward import (
    APART,
    BUFFER_BYTES,
    READ_ONLY,
    SIDE,
    WRITTEN,
    in_hbm,
    nodes_of,
    on_chip,
    run,
)

SBUF_BYTES = TRN2.partitions * TRN2.sbuf_bytes_per_partition


def on_chip_bytes(nodes: list[Node]) -> int:
    """Up to where SBUF is reached."""
    spans = [span_of(view)[0] for node in nodes for view in node.views.values()]
    return max(high for space, _, high, *_ in spans if space == Memory.SBUF)


@pytest.mark.parametrize("seed", range(100))
def test_renaming_changes_no_bit(seed: int) -> None:
    chance = np.random.default_rng(seed)
    records = [made for _ in range(int(chance.integers(1, 12))) for made in stored(chance)]
    start = chance.integers(0, 7, (2, BUFFER_BYTES // 4)).astype(np.float32)
    nodes = nodes_of(*ALL, *records)
    literal = run(nodes, start)
    assert run(compact(nodes, Places(APART), SBUF_BYTES), start) == literal
    assert run(compact(forward(nodes, APART), Places(APART), SBUF_BYTES), start) == literal


def chain() -> list[Node]:
    """Each block is made of the one before: two live at once, in two memories."""
    return nodes_of(
        isa.DmaCopy(on_chip(SBUF, 0), in_hbm(READ_ONLY, 0, 0), 0),
        isa.TensorTensor(on_chip(PSUM, 7), on_chip(SBUF, 0), on_chip(SBUF, 0), ADD),
        isa.TensorTensor(on_chip(SBUF, 2), on_chip(PSUM, 7), on_chip(PSUM, 7), ADD),
        isa.TensorTensor(on_chip(SBUF, 3), on_chip(SBUF, 2), on_chip(SBUF, 2), ADD),
        isa.DmaCopy(in_hbm(WRITTEN, 0, 0), on_chip(SBUF, 3), 0),
    )


def test_blocks_take_turns_in_few_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact_module, "REST", 0)
    renamed = compact(chain(), Places(APART), SBUF_BYTES)
    (low, high), (_, first) = (span_of(on.views["dst"])[0][1:3] for on in renamed[:2])
    assert low == 0
    assert on_chip_bytes(renamed) == first < 2 * high + 64
    start = np.ones((2, BUFFER_BYTES // 4), np.float32)
    assert run(renamed, start) == run(chain(), start)


@pytest.mark.parametrize("rest", [0, 1, 2, 50])
def test_bytes_rest_before_they_are_taken_again(monkeypatch: pytest.MonkeyPatch, rest: int) -> None:
    monkeypatch.setattr(compact_module, "REST", rest)
    spans = [
        span_of(node.views["dst"])[0] for node in compact(chain(), Places(APART), SBUF_BYTES)[:4]
    ]
    for later, (_, low, high, *_) in enumerate(spans):
        for earlier, (_, one, end, *_) in enumerate(spans[:later]):
            # The reader of a block is the node after its maker.
            assert low >= end or high <= one or later > earlier + 1 + rest


def test_what_does_not_fit_or_was_not_made_stays() -> None:
    nodes = chain()
    assert compact(nodes, Places(APART), SIDE) == nodes
    assert compact(nodes[1:], Places(APART), SBUF_BYTES) == nodes[1:]


def test_a_computed_address_keeps_its_index() -> None:
    """It is bound to where the record says; nothing else is put there."""
    index, block = on_chip(SBUF, 1), on_chip(SBUF, 4)
    nodes = nodes_of(
        isa.DmaCopy(index, in_hbm(READ_ONLY, 0, 0), 0),
        isa.DmaGather(block, in_hbm(READ_ONLY, 0, 0), index, 1),
        isa.TensorTensor(on_chip(SBUF, 5), on_chip(SBUF, 4), on_chip(SBUF, 4), ADD),
        isa.DmaCopy(in_hbm(WRITTEN, 0, 0), on_chip(SBUF, 5), 0),
    )
    load, gather, total, _ = compact(nodes, Places(APART), SBUF_BYTES)
    assert (load, gather) == tuple(nodes[:2])
    spans = [span_of(node.views["dst"])[0] for node in (load, gather, total)]
    assert all(a[2] <= b[1] or b[2] <= a[1] for a, b in ((spans[2], s) for s in spans[:2]))
