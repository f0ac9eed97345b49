"""Incomplete gamma functions, zeta, polygamma and Airy's, against eager PyTorch in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import neuronc

torch = pytest.importorskip("torch")
mpmath = pytest.importorskip("mpmath")  # Torch's own dependency.
import neuronc.torch  # noqa: E402

TOLERANCE = 1e-9
"""Relative: eager's own trigamma is good to 1e-9 or so."""
TOLERANCE_AIRY = 1e-7
"""Eager says that Ai(-3) is -0.37881428833; it is -0.37881429367765823."""


class Called(torch.nn.Module):
    """A function as a model."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *tensors: Any) -> Any:
        return self.function(*tensors)


def agree(function: Callable[..., Any], *tensors: Any, rtol: float = TOLERANCE) -> None:
    compiled = neuronc.torch.compile_model(Called(function), tensors)
    (ours,) = neuronc.load(compiled)(*[t.numpy() for t in tensors])
    want = function(*tensors).numpy()
    np.testing.assert_allclose(ours, want, rtol=rtol, atol=1e-14)


@pytest.mark.parametrize("function", [torch.special.gammainc, torch.special.gammaincc])
def test_incomplete_gamma_functions(function: Callable[..., Any]) -> None:
    """Small and large, of each other's size, at 0 and infinity, and below 0."""
    places = torch.tensor([0.0, 0.5, 3, 19, 60, 1000, float("inf"), -1], dtype=torch.float64)
    pairs = torch.cartesian_prod(places, places * 1.01)
    pairs = torch.cat([pairs, torch.tensor([[float("nan"), 1.0], [1.0, float("nan")]])])
    agree(function, pairs[:, 0].clone(), pairs[:, 1].clone())


def test_zeta_and_polygamma_below_zero() -> None:
    """Where CHLO's series is not defined; poles are infinite."""
    order = torch.tensor([2.0, 3, 4, 2.5, 2, 3, 1, 0.5], dtype=torch.float64)
    at = torch.tensor([-30.3, -9.6, -0.5, 0.7, -2, 0, 3, 3], dtype=torch.float64)
    agree(torch.special.zeta, order, at)
    x = torch.tensor([-12.3, -9.9, -0.4, 0.2, 7, 300], dtype=torch.float64)
    for n in range(4):
        agree(lambda t, n=n: torch.special.polygamma(n, t), x)


BESSEL = {
    **{"i0": "besseli", "i1": "besseli", "bessel_j0": "besselj", "bessel_j1": "besselj"},
    **{"bessel_y0": "bessely", "bessel_y1": "bessely", "modified_bessel_k0": "besselk"},
}
"""By name, mpmath's function, whose order is the last digit: eager's J and Y are good to 5e-9."""


def test_bessel_functions_are_doubles() -> None:
    """Their quadrature had weights rounded to float32: off by 3e-8 everywhere."""
    x = torch.tensor([0.5, 1, 3, 7.9, 8.1, 20], dtype=torch.float64)
    model = Called(lambda t: [getattr(torch.special, name)(t) for name in BESSEL])
    found = neuronc.load(neuronc.torch.compile_model(model, (x,)))(x.numpy())
    for ours, (name, theirs) in zip(found, BESSEL.items(), strict=True):
        want = [float(getattr(mpmath, theirs)(int(name[-1]), v)) for v in x.tolist()]
        np.testing.assert_allclose(ours, want, rtol=1e-13, atol=1e-14, err_msg=name)


def test_airy() -> None:
    """Each of its three ranges, and their ends."""
    x = torch.tensor([-60, -9.1, -8.9, -3, 0, 0.9, 1.1, 5, 20, 104, float("inf")])
    agree(torch.special.airy_ai, x.double(), rtol=TOLERANCE_AIRY)


def test_histogram_in_several_dimensions() -> None:
    """Weighted; the last edge belongs to the last box."""
    x = torch.tensor([[0.0, 0.1], [0.5, 0.9], [1.0, 1.0], [0.2, 0.3]], dtype=torch.float64)
    weight = torch.tensor([1.0, 2, 3, 4], dtype=torch.float64)
    agree(lambda x, w: torch.histogramdd(x, [2, 3], weight=w, density=True).hist, x, weight)
