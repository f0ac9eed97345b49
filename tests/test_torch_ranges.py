"""Intervals of int64 values: what fits is written as i32, and what does not is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

import neuronc  # noqa: E402
import neuronc.torch  # noqa: E402

LARGE = torch.tensor([2**40, -(2**50), 5])
HALVES = torch.tensor([1, 2, 3, 4], dtype=torch.int32)
Function = Callable[[torch.Tensor], torch.Tensor]
CASES: dict[str, tuple[Function, torch.Tensor]] = {
    "a copy has the source's values": (lambda x: torch.zeros(3, dtype=torch.int64).copy_(x), LARGE),
    "other bits are other values": (lambda x: x.view(torch.int64), HALVES),
    "sums at an index grow": (
        lambda x: torch.ones(3, dtype=torch.int64).index_put(
            (torch.zeros(3, dtype=torch.int64),), torch.full((3,), 2**31 - 1), accumulate=True
        ),
        LARGE,
    ),
    "products of a scatter grow": (
        lambda x: torch.full((2,), 2**20).scatter(
            0, torch.tensor([0, 1]), torch.full((2,), 2**20), reduce="multiply"
        ),
        LARGE,
    ),
    "what wraps is not clamped before": (
        lambda x: (torch.arange(3) * 2**62 * 4 // 2**32).clamp(-(2**40), 10),
        LARGE,
    ),
    "a remainder is of the whole number": (lambda x: x % 7, LARGE),
    "so is that of C": (lambda x: torch.fmod(x, 9), LARGE),
    "a bound is met from afar": (lambda x: x.clamp(-3, 3), LARGE),
    "so is one beyond int32": (lambda x: (x % 7).clamp(max=2**40), LARGE),
    "a sign is of the top bit": (lambda x: x.sign(), LARGE),
    "a difference may fit where its terms do not": (
        lambda x: torch.arange(2**40, 2**40 + 3) - 2**40,
        LARGE,
    ),
}


class Called(torch.nn.Module):
    """A function as a module."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The function's result."""
        return self.function(x)


@pytest.mark.parametrize("case", CASES)
def test_no_interval_loses_a_bit(case: str) -> None:
    function, x = CASES[case]
    wanted = function(x).numpy()
    (found,) = neuronc.load(neuronc.torch.compile_model(Called(function), (x,)))(x.numpy())
    assert found.tolist() == wanted.tolist()
    assert found.dtype == wanted.dtype
