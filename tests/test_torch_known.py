"""Numbers that a model makes of tensors, but of none that it is given: they are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import neuronc  # noqa: E402
import neuronc.torch  # noqa: E402

X = torch.arange(24.0).reshape(3, 8)


class Repeated(torch.nn.Module):
    """As V-JEPA 2: one token for each of the places, which are counted by their largest number."""

    def __init__(self) -> None:
        super().__init__()
        self.token = torch.nn.Parameter(torch.randn(8))

    def forward(self, x: Any) -> Any:
        places = torch.arange(x.shape[0])
        return self.token.repeat(places.max() + 1, 1) + x


class Several(torch.nn.Module):
    """One number after another, and a sum that needs none."""

    def forward(self, x: Any) -> Any:
        first = torch.full((2,), 1).sum().item()
        second = (torch.arange(4) * first).max().item() - 3
        return x.repeat(first, second), x.sum(1)


@pytest.mark.parametrize("model", [Repeated(), Several()])
def test_known_numbers_make_shapes(model: Any) -> None:
    found: Any = neuronc.load(neuronc.torch.compile_model(model, (X,)))(X.numpy())
    wanted = model(X)
    for ours, theirs in zip(found, [wanted] if len(found) == 1 else wanted, strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-6)


class Changed(torch.nn.Module):
    def forward(self, x: Any) -> Any:
        places = torch.arange(4)
        places[0:2].add_(x[0, :2].long())
        return x.repeat(places.max() + 1, 1)


class Drawn(torch.nn.Module):
    def forward(self, x: Any) -> Any:
        return x.repeat(torch.randint(1, 4, (1,)).sum(), 1)


class Given(torch.nn.Module):
    def forward(self, x: Any) -> Any:
        return x.repeat(x.long().max() + 1, 1)


@pytest.mark.parametrize("model", [Changed(), Drawn(), Given()])
def test_other_numbers_are_refused(model: Any) -> None:
    with pytest.raises(neuronc.NeuroncError, match="NRC-0901"):
        neuronc.torch.export(model, (X,))
