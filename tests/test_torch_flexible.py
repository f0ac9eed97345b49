"""Flexible attention, exported and by `torch.compile`, against eager's own definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.nn.attention.flex_attention import create_block_mask, flex_attention  # noqa: E402

import neuronc  # noqa: E402
import neuronc.torch  # noqa: E402

Call = Callable[..., Any]
L, WINDOW = 48, 20


def near(b: Any, h: Any, i: Any, j: Any) -> Any:
    """Causal, within a window."""
    return (i >= j) & (i - j < WINDOW)


MASK = create_block_mask(near, None, None, L, L, device="cpu", BLOCK_SIZE=16)
SLOPES = torch.tensor([0.5, 0.25, 0.125, 0.0625])
CASES: dict[str, tuple[Call, int]] = {
    "plain": (lambda q, k, _: flex_attention(q, k, k), 4),
    "masked": (lambda q, k, _: flex_attention(q, k, k, block_mask=MASK), 4),
    "two heads share keys": (
        lambda q, k, _: flex_attention(q, k, k, block_mask=MASK, enable_gqa=True),
        2,
    ),
    "biased by a captured tensor": (
        lambda q, k, slopes: flex_attention(
            q, k, k, score_mod=lambda score, b, h, i, j: score - slopes[h] * (i - j)
        ),
        4,
    ),
    "capped": (
        lambda q, k, _: flex_attention(
            q, k, k, score_mod=lambda score, *_: 2 * torch.tanh(score / 2), block_mask=MASK
        ),
        4,
    ),
}


class Called(torch.nn.Module):
    """A function as a module."""

    def __init__(self, function: Call) -> None:
        super().__init__()
        self.function = function

    def forward(self, *tensors: Any) -> Any:
        """The function's result."""
        return self.function(*tensors)


@pytest.mark.parametrize("name", CASES)
def test_it_is_what_eager_computes(name: str) -> None:
    """Sums of 48 terms, twice: 2^7 roundings of 2^-24."""
    function, heads = CASES[name]
    torch.manual_seed(0)
    given = (torch.randn(2, 4, L, 16), torch.randn(2, heads, L, 16), SLOPES)
    wanted = function(*given)
    exported = neuronc.load(neuronc.torch.compile_model(Called(function), given))
    (ours,) = exported(*(t.numpy() for t in given))
    torch.testing.assert_close(torch.from_numpy(ours.copy()), wanted, rtol=2**-17, atol=2**-17)
    torch._dynamo.reset()
    compiled = torch.compile(function, backend="neuronc")(*given)
    torch.testing.assert_close(compiled, wanted, rtol=2**-17, atol=2**-17)
