"""NaN, infinities and the ends of integers: a few operations; `edges.py` knows all."""

from __future__ import annotations

import pytest

import neuronc

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="torch's operation database needs it")

import neuronc.torch  # noqa: E402
from tests.torch_ops.edges import edge_problems  # noqa: E402

NAMES = {
    *("floor_divide", "div_floor_rounding", "remainder", "sign", "copysign", "log2"),
    *("digamma", "cummax", "cummin", "bitwise_left_shift", "bitwise_right_shift"),
}


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8", "complex64"])
def test_edges_are_as_in_eager(dtype: str) -> None:
    assert edge_problems(getattr(torch, dtype), NAMES) == []


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16])
def test_floats_beyond_a_small_integer_wrap_around(dtype: torch.dtype) -> None:
    x = torch.tensor([-2.5, -1.0, 127.9, 128.0, 254.5, 256.0, 300.0, 40000.0, -40000.0])

    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.to(dtype)

    (ours,) = neuronc.load(neuronc.torch.compile_model(Model(), (x,)))(x.numpy())
    assert ours.tolist() == x.to(dtype).tolist()
