"""PyTorch models in: what is exported, how it is compiled, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import neuronc
import neuronc.torch


def mlp() -> torch.nn.Module:
    torch.manual_seed(0)
    layers = torch.nn.Linear(16, 32), torch.nn.GELU(), torch.nn.LayerNorm(32)
    return torch.nn.Sequential(*layers, torch.nn.Linear(32, 4), torch.nn.Softmax(-1)).eval()


X = torch.randn(3, 16, generator=torch.Generator().manual_seed(1))


def error_of(found: np.ndarray, wanted: torch.Tensor) -> float:
    """Relative to the largest; what is NaN in one must be in both."""
    want = wanted.detach().double().numpy()
    assert found.shape == want.shape
    np.testing.assert_array_equal(np.isnan(found.astype(np.float64)), np.isnan(want))
    if not want.size:
        return 0.0
    scale = np.nanmax(np.abs(want)) or 1.0
    return float(np.nanmax(np.abs(found - want)) / scale)


def test_a_model_gives_what_eager_pytorch_gives() -> None:
    model = mlp()
    (ours,) = neuronc.load(neuronc.torch.compile_model(model, (X,)))(X.numpy())
    assert error_of(ours, model(X)) < 2e-6


def test_weights_are_arguments_under_the_names_of_the_state_dict() -> None:
    model = mlp()
    exported = neuronc.torch.export(model, (X,))
    assert set(exported.weights) == set(model.state_dict())
    assert 'loc("3.weight")' in exported.module.operation.get_asm(enable_debug_info=True)


def test_any_checkpoint_with_these_names_will_do(tmp_path: Path) -> None:
    model = mlp()
    neuronc.torch.compile_model(model, (X,), external_weights=True).save(tmp_path / "m.neff")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.5)
    save_file(model.state_dict(), tmp_path / "other.safetensors")
    program = neuronc.load(tmp_path / "m.neff", weights=tmp_path / "other.safetensors")
    assert error_of(program(X.numpy())[0], model(X)) < 2e-6


def test_everything_unsupported_is_in_one_error() -> None:
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.linalg.eigvals(x), torch.linalg.svdvals(x)

    with pytest.raises(neuronc.NeuroncError) as caught:
        neuronc.torch.export(Model(), (torch.zeros(3, 3),))
    assert caught.value.code == "NRC-0901"
    assert "eig" in str(caught.value)
    assert "svd" in str(caught.value)
    assert "test_torch_export.py:" in str(caught.value)
