"""Gradients of a few operations; `python -m tests.torch_ops --kind backward` tries all."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="torch's operation database needs it")

from tests.torch_ops.cell import WORKS, samples  # noqa: E402
from tests.torch_ops.gradient import attempt_backward  # noqa: E402


@pytest.mark.parametrize(
    "only",
    [
        *("grid_sampler_2d", "_upsample_bilinear2d_aa", "nn_functional_adaptive_avg_pool3d"),
        *("nn_functional_avg_pool3d", "matmul", "nn_functional_linear_cross_entropy_chunked"),
    ],
)
def test_gradients_are_those_of_eager(only: str) -> None:
    given = samples(torch.float32, 1, only, exact=True, gradients=True)
    cells = [attempt_backward(s) for s in given]
    assert cells
    assert [(c.sample.id, c.detail) for c in cells if c.status != WORKS] == []


@pytest.mark.parametrize(
    ("mode", "padding"),
    [("bilinear", "reflection"), ("bilinear", "border"), ("bicubic", "zeros")],
)
def test_grid_sampling_has_gradients(mode: str, padding: str) -> None:
    """Also of places outside of the image."""
    torch.manual_seed(0)
    x, grid = torch.randn(1, 2, 4, 5), torch.rand(1, 3, 3, 2) * 3 - 1.5

    def loss(x: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
        made = torch.nn.functional.grid_sample(x, grid, mode, padding, align_corners=False)
        return (made * made).sum()

    found: list[list[torch.Tensor]] = []
    for call in (loss, torch.compile(loss, backend="neuronc")):
        given = [t.clone().requires_grad_() for t in (x, grid)]
        call(*given).backward()
        found.append([t.grad for t in given])
    for want, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, want, rtol=1e-4, atol=1e-4)
