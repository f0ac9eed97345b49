"""Models that do while torch traces them what torch, or they themselves, cannot bear."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import neuronc  # noqa: E402
import neuronc.torch  # noqa: E402


class Router(torch.nn.Module):
    """As Switch Transformers have it: a layer that is to be float32 in a model of any type."""

    def __init__(self, convert: str) -> None:
        super().__init__()
        self.layer, self.convert = torch.nn.Linear(8, 4), convert

    def forward(self, x: Any) -> Any:
        self.layer = self.layer.to(torch.float32) if self.convert == "to" else self.layer.float()
        return self.layer(x).softmax(-1)


@pytest.mark.parametrize("convert", ["to", "float"])
def test_a_layer_that_has_the_type_already_is_left_alone(convert: str) -> None:
    model, x = Router(convert).eval(), torch.randn(3, 8)
    found: Any = neuronc.load(neuronc.torch.compile_model(model, (x,)))(x.numpy())[0]
    np.testing.assert_allclose(found, model(x).detach().numpy(), atol=1e-6)


def test_methods_of_modules_are_torchs_own_afterwards() -> None:
    before = torch.nn.Module.to, torch.nn.Module.float
    neuronc.torch.export(Router("to"), (torch.randn(3, 8),))
    assert (torch.nn.Module.to, torch.nn.Module.float) == before


class Wary(torch.nn.Module):
    """As Informer and LongT5: something else is done in an export, and fails."""

    def forward(self, x: Any) -> Any:
        mask: Any = None if torch.compiler.is_exporting() else torch.ones(8)
        count: Any = mask.shape[0]
        return x * count * mask


def test_a_model_that_only_fails_in_an_export_is_traced_as_in_eager() -> None:
    x, before = torch.randn(3, 8), torch.compiler.is_exporting
    found: Any = neuronc.load(neuronc.torch.compile_model(Wary(), (x,)))(x.numpy())[0]
    np.testing.assert_array_equal(found, 8 * x.numpy())
    assert torch.compiler.is_exporting is before


def test_a_model_that_fails_in_eager_too_says_so_itself() -> None:
    class Wrong(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            raise ValueError("eight columns, not seven")

    with pytest.raises(ValueError, match="eight columns"):
        neuronc.torch.export(Wrong(), (torch.randn(3, 7),))


class Sly(torch.nn.Module):
    """As PaliGemma: something else is computed in an export, and nothing fails."""

    def forward(self, x: Any) -> Any:
        return (x.sin() if torch.compiler.is_exporting() else x.cos()), x.argmax(), x / 0


def test_a_program_that_differs_from_eager_is_refused_when_asked() -> None:
    with pytest.raises(neuronc.NeuroncError, match=r"output 0.*NRC-0907.*differs from Sly"):
        neuronc.torch.export(Sly(), (torch.randn(3, 8),), verify=True)


def test_nothing_to_verify_without_a_module() -> None:
    x = torch.randn(3, 8)
    program = torch.export.export(Sly(), (x,))
    with pytest.raises(neuronc.NeuroncError, match="NRC-0907"):
        neuronc.torch.export(program, (x,), verify=True)


class Plain(torch.nn.Module):
    """Draws, NaN, infinities, integers and an empty tensor are alike in both."""

    def forward(self, x: Any) -> Any:
        noise = torch.nn.functional.dropout(x, 0.5, training=True)
        return noise, x.log(), x / 0, x.argmax(), x[:0], torch.complex(x, x)


def test_a_program_that_agrees_passes() -> None:
    x = torch.randn(3, 8)
    assert neuronc.torch.export(Plain(), (x,), verify=True).outputs
