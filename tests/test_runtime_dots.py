"""Products and their sums in one pass: where they are, and where they must not be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neuronc.dtypes import BY_NAME
from neuronc.isa import instructions as isa
from neuronc.isa.operands import Operand
from neuronc.isa.table import Instruction
from neuronc.numerics import FUNCTIONS, REDUCTIONS
from neuronc.runtime import dots
from neuronc.runtime.dots import make_dots
from neuronc.runtime.nodes import Places
from tests.test_runtime_coalesce import ADD, ALL, MULTIPLY, PSUM, SBUF
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

SQUARE, SUM = FUNCTIONS["square"].code, REDUCTIONS["add"].code
MAXIMUM = REDUCTIONS["maximum"].code
START = np.arange(2 * BUFFER_BYTES // 4, dtype=np.float32).reshape(2, -1) % 7
A, B, PRODUCTS = on_chip(SBUF, 0), on_chip(SBUF, 1, SIDE // 2), on_chip(PSUM, 2, SIDE)
SUMS = on_chip(SBUF, 2, width=1)
MULTIPLIED = isa.TensorTensor(PRODUCTS, A, B, MULTIPLY)
STORED = isa.DmaCopy(in_hbm(WRITTEN, 0, 0), on_chip(SBUF, 2), 0)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dots, "LENGTH_MIN", SIDE)


def rows(block: Operand) -> Operand:
    """A block as rows of one row each, as a reduction takes it."""
    return replace(block, steps=(SIDE, 1), counts=(1, SIDE))


def total(function: int = SUM, axes: int = 1) -> Instruction:
    return isa.TensorReduce(SUMS, rows(PRODUCTS), function, axes)


@pytest.mark.parametrize(
    "products",
    [MULTIPLIED, isa.Activation(PRODUCTS, B, None, None, SQUARE, 1.0)],
    ids=["multiply", "square"],
)
def test_products_and_their_sum_are_one_call(products: Instruction) -> None:
    nodes = nodes_of(*ALL, isa.DmaCopy(A, in_hbm(WRITTEN, 0, 0), 0), products, total(), STORED)
    made = make_dots(nodes, Places(APART))
    assert len(made) == len(nodes) - 1
    assert set(made[-2].views) == {"dst", "lhs", "rhs"}
    assert run(made, START) == run(nodes, START)


def test_rows_may_be_named_otherwise_by_the_sum() -> None:
    """Two of four columns each, where the products are four rows of two."""
    whole = replace(PRODUCTS, counts=(2, 2, 2), steps=(4, 2, 1))
    flat = replace(PRODUCTS, counts=(4, 2), steps=(2, 1))
    a, b = (replace(block, counts=whole.counts, steps=whole.steps) for block in (A, B))
    sums = replace(SUMS, counts=(4,), steps=(1,))
    nodes = nodes_of(
        *ALL,
        isa.TensorTensor(whole, a, b, MULTIPLY),
        isa.TensorReduce(sums, flat, SUM, 1),
        STORED,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dots, "LENGTH_MIN", 2)
        made = make_dots(nodes, Places(APART))
    assert len(made) == len(nodes) - 1
    assert made[-2].views["dst"].shape == (SIDE, 2, 2)
    assert run(made, START) == run(nodes, START)


HALF = BY_NAME["bf16"].code
STAYS = {
    "read again": [MULTIPLIED, total(), isa.Copy(on_chip(SBUF, 1), PRODUCTS)],
    "an operand changes": [MULTIPLIED, isa.Memset(A, 3.0), total()],
    "a part of an operand changes": [MULTIPLIED, isa.Memset(replace(A, counts=(1,)), 3.0), total()],
    "in HBM": [
        isa.TensorTensor(in_hbm(WRITTEN, 0, 0), A, B, MULTIPLY),
        isa.TensorReduce(SUMS, replace(in_hbm(WRITTEN, 0, 0)), SUM, 1),
    ],
    "added": [isa.TensorTensor(PRODUCTS, A, B, ADD), total()],
    "their maximum": [MULTIPLIED, total(MAXIMUM)],
    "half of each row": [
        MULTIPLIED,
        isa.TensorReduce(SUMS, replace(rows(PRODUCTS), counts=(1, SIDE // 2)), SUM, 1),
    ],
    "scaled": [isa.Activation(PRODUCTS, B, None, None, SQUARE, 2.0), total()],
    "with a bias": [isa.Activation(PRODUCTS, B, SUMS, None, SQUARE, 1.0), total()],
}


@pytest.mark.parametrize("case", STAYS)
def test_products_stay_where_they_are_more_than_their_sum(case: str) -> None:
    nodes = nodes_of(*ALL, *STAYS[case], STORED)
    assert make_dots(nodes, Places(APART)) == nodes


def test_other_types_and_short_rows_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = (replace(block, dtype=HALF) for block in (A, B))
    nodes = nodes_of(isa.TensorTensor(PRODUCTS, a, b, MULTIPLY), total())
    assert make_dots(nodes, Places(APART)) == nodes
    monkeypatch.setattr(dots, "LENGTH_MIN", SIDE + 1)
    nodes = nodes_of(*ALL, MULTIPLIED, total(), STORED)
    assert make_dots(nodes, Places(APART)) == nodes


def test_the_sums_are_as_exact_as_numpys() -> None:
    """n roundings of at most the sum of the magnitudes; in practice far fewer."""
    chance = np.random.default_rng(0)
    one, two = (chance.standard_normal((128, 3072)).astype(np.float32) for _ in range(2))
    exact = (one.astype(np.float64) * two).sum(-1)
    bound = 3072 * 2.0**-24 * np.abs(one.astype(np.float64) * two).sum(-1)
    assert (np.abs(np.vecdot(one, two) - exact) <= bound).all()
