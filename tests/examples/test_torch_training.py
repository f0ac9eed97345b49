"""Loss curves of training through `torch.compile`, against float64; see the benchmark."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch_training import MODELS, OPTIMISERS, train  # noqa: E402


@pytest.mark.parametrize("optimiser", list(OPTIMISERS))
@pytest.mark.parametrize("name", list(MODELS))
def test_the_loss_curve_is_as_near_to_float64_as_eagers(name: str, optimiser: str) -> None:
    torch._dynamo.reset()
    torch.set_num_threads(1)  # as in the benchmark
    curves = train(name, 8, optimiser)
    assert curves.distance <= curves.bound
    assert len(set(curves.ours)) == 8
