"""Running sums of PyTorch: in which order, where what is not finite counts, and in which blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import neuronc  # noqa: E402
import neuronc.torch  # noqa: E402


def running_sum(x: Any, dim: int) -> Any:
    """What a compiled `cumsum` makes of x."""

    class Model(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x.cumsum(dim)

    (found,) = neuronc.load(neuronc.torch.compile_model(Model(), (x,)))(x.numpy())
    return found


@pytest.mark.parametrize(
    ("shape", "dim"), [((3, 12), 1), ((300, 2), 0), ((2, 700, 3), 1), ((1,), 0)]
)
def test_a_running_sum_is_that_of_float64_along_any_dimension(shape: Any, dim: int) -> None:
    x = torch.randn(shape)
    wanted = x.double().cumsum(dim).numpy()
    # n sums of unit roundoff 6e-8 each, of terms of about 1 whose sums grow as a random walk.
    bound = shape[dim] * 6e-8 * max(np.abs(wanted).max(), 1)
    assert np.abs(running_sum(x, dim) - wanted).max() <= bound


@pytest.mark.parametrize("length", [64, 700])
def test_zeros_after_the_last_element_leave_a_running_sum_as_it_is(length: int) -> None:
    x = torch.zeros(2, length)
    x[:, :11] = 100 * torch.randn(2, 11)
    found = running_sum(x, 1)
    assert (found[:, 11:] == found[:, 10:11]).all()


def test_what_is_not_finite_counts_from_where_it_is() -> None:
    inf, nan = float("inf"), float("nan")
    rows = [[1, inf, 2, -inf, 3], [1, nan, 2, 3, 4], [-inf, 1, 2, 3, 4], [1, 2, 3, 4, nan]]
    x = torch.tensor(rows)
    np.testing.assert_array_equal(running_sum(x, 1), x.cumsum(1).numpy())
