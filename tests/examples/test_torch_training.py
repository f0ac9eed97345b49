"""Loss curves of training through `torch.compile`, against float64; see the benchmark."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch_training import MODELS, train  # noqa: E402


@pytest.mark.parametrize("name", list(MODELS))
def test_the_loss_curve_is_as_near_to_float64_as_eagers(name: str) -> None:
    torch._dynamo.reset()
    curves = train(name, 8)
    assert curves.distance <= curves.bound
    assert len(set(curves.ours)) == 8
