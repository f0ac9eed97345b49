"""A sample of the operations; `python -m tests.torch_ops` tries all."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="torch's operation database needs it")

from tests.torch_ops.cell import CRASHED, WORKS, WRONG, attempt, samples  # noqa: E402

EVERY = 37
"""The sample: one operation in so many, a prime so that families mix."""


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64", "complex64"])
def test_operations_are_right_or_refused(dtype: str) -> None:
    cells = [attempt(s) for s in samples(getattr(torch, dtype), 1, every=EVERY)]
    assert len(cells) > 3
    assert [(c.sample.id, c.detail) for c in cells if c.status in (WRONG, CRASHED)] == []


@pytest.mark.parametrize(
    "only", ["linalg_solve", "linalg_inv", "linalg_lu_factor", "det", "diagonal_scatter", "addbmm"]
)
def test_systems_of_equations_work(only: str) -> None:
    """Also for batches, vectors and matrices without rows."""
    cells = [attempt(s) for s in samples(torch.float32, 2, only)]
    assert cells
    assert [(c.sample.id, c.detail) for c in cells if c.status != WORKS] == []


@pytest.mark.parametrize(
    ("only", "dtype"),
    [("softmax_with_dtype", "int64"), ("softmax_with_dtype", "float16"), ("unfold", "float32")],
)
def test_types_and_ranks_at_the_edge_work(only: str, dtype: str) -> None:
    """A softmax that is asked for another type computes in it; a number has one window."""
    cells = [attempt(s) for s in samples(getattr(torch, dtype), 1, only)]
    assert cells
    assert [(c.sample.id, c.detail) for c in cells if c.status != WORKS] == []
