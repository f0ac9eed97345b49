"""Gradients, lists of tensors and pools that OpInfo does not call, against eager torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import neuronc  # noqa: E402
import neuronc.torch  # noqa: E402

aten = torch.ops.aten
torch.manual_seed(0)
Call = Callable[..., Any]


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape)


X3, X2, ROWS = normal(2, 3, 5, 6, 7), normal(2, 3, 7, 8), normal(4, 5)
_, AT3 = torch.nn.functional.max_pool3d(X3, 2, return_indices=True)
_, AT2 = torch.nn.functional.adaptive_max_pool2d(X2, (3, 4), return_indices=True)
TABLE, IDS, STARTS = normal(6, 3), torch.tensor([1, 2, 1, 5, 0]), torch.tensor([0, 2, 2])
LABELS = torch.tensor([[1, 3, -1, 0, 0], [0, -1, 0, 0, 0], [2, 4, 1, -1, 0], [4, 3, 2, 1, 0]])
IS_TARGET = torch.tensor([[0, 1, 0, 1, 0], [1, 0, 0, 0, 0], [0, 1, 1, 0, 1], [1, 1, 1, 1, 1.0]])
BYTES = torch.tensor([[200, 3, 100], [7, 250, 9]], dtype=torch.uint8)
CUBE = torch.arange(7, 43, dtype=torch.uint8).reshape(4, 3, 3)
CASES: dict[str, tuple[Call, Sequence[torch.Tensor]]] = {
    "max_pool3d": (
        lambda g, x, i: aten.max_pool3d_with_indices_backward(
            g, x, [2, 2, 2], [2, 2, 2], [0, 0, 0], [1, 1, 1], False, i
        ),
        (normal(2, 3, 2, 3, 3), X3, AT3),
    ),
    "adaptive_max_pool2d": (aten.adaptive_max_pool2d_backward, (normal(2, 3, 3, 4), X2, AT2)),
    "replication_pad2d": (
        lambda g, x: aten.replication_pad2d_backward(g, x, [1, 2, 0, 3]),
        (normal(2, 3, 10, 11), X2),
    ),
    "hardshrink": (lambda g, x: aten.hardshrink_backward(g, x, 0.5), (normal(4, 5), ROWS)),
    "softshrink": (lambda g, x: aten.softshrink_backward(g, x, 0.5), (normal(4, 5), ROWS)),
    "masked_scatter": (
        lambda g, m: aten.masked_scatter_backward(g, m, [3, 7]),
        (normal(4, 5), ROWS > 0),
    ),
    **{
        f"cdist {p}": (
            lambda g, x, y, d, p=p: aten._cdist_backward(g, x, y, p, d),
            (normal(4, 3), ROWS, ROWS[:3] + 1, torch.cdist(ROWS, ROWS[:3] + 1, p)),
        )
        for p in (1.0, 2.0, 3.0, float("inf"))
    },
    "pdist": (
        lambda g, x, d: aten._pdist_backward(g, x, 2.0, d),
        (normal(6), ROWS, torch.nn.functional.pdist(ROWS)),
    ),
    "weight_norm": (
        lambda g, v, w, n: aten._weight_norm_interface_backward(g, v, w, n, 0),
        (normal(4, 5), ROWS, normal(4, 1), ROWS.norm(dim=1, keepdim=True)),
    ),
    **{
        f"embedding_bag {mode}": (
            lambda t, i, o, mode=mode: aten._embedding_bag(t, i, o, False, mode)[0],
            (TABLE, IDS, STARTS),
        )
        for mode in (0, 1, 2)
    },
    "embedding_bag without rows of padding": (
        lambda t, i, o: aten._embedding_bag(t, i, o, False, 1, False, None, False, 1)[0],
        (TABLE, IDS, STARTS),
    ),
    "multi_margin_loss": (
        lambda g, x, t: aten.multi_margin_loss_backward(g, x, t, 2, 1.5),
        (normal(), ROWS, torch.tensor([0, 3, 1, 4])),
    ),
    "multilabel_margin_loss": (
        lambda g, x, t, m: aten.multilabel_margin_loss_backward(g, x, t, 1, m),
        (normal(), ROWS, LABELS, IS_TARGET),
    ),
    "fractional_max_pool2d": (
        lambda x, r: aten.fractional_max_pool2d(x, [2, 3], [3, 4], r),
        (X2, torch.rand(2, 3, 2)),
    ),
    "fractional_max_pool3d": (
        lambda x, r: aten.fractional_max_pool3d(x, [2, 2, 3], [3, 2, 4], r),
        (X3, torch.rand(2, 3, 3)),
    ),
    "foreach add": (lambda x, y: aten._foreach_add.List([x, y], [y, x], alpha=2), (ROWS, ROWS + 1)),
    "foreach addcdiv": (
        lambda x, y: aten._foreach_addcdiv.ScalarList([x, y], [y, x], [x, x], [0.5, 2.0]),
        (ROWS, ROWS.abs() + 1),
    ),
    "foreach sqrt": (lambda x: aten._foreach_sqrt.default([x, x + 1]), (ROWS.abs(),)),
    "foreach norm": (lambda x: aten._foreach_norm.Scalar([x, x + 1], 2), (ROWS,)),
    "nonzero of a static size": (
        lambda x: torch.nonzero_static(x > 0, size=5, fill_value=-7),
        (ROWS[:2, :2],),
    ),
    "histogram of edges out of order and twice": (
        lambda x: (
            *torch.histogram(x, torch.tensor([-1.0, 0.0, 1.0, 1.0])),
            torch.histogram(x, torch.tensor([0.3, -1.0, 0.1, 2.0, 0.6]))[0],
        ),
        (torch.cat([ROWS.reshape(-1), torch.ones(3)]),),
    ),
    "pools of no extent": (
        lambda x: (
            torch.nn.functional.adaptive_avg_pool2d(x, (0, 4)),
            *torch.nn.functional.adaptive_max_pool2d(x, (3, 0), return_indices=True),
        ),
        (X2,),
    ),
    "another shape over the same memory": (
        lambda x: (x.clone().resize_(4, 3), aten.resize(x.t(), [3, 3])),
        (ROWS,),
    ),
    "a table of short rows": (
        lambda t, i: aten.embedding_renorm(t, i, 1.0, 2.0),
        (TABLE, IDS),
    ),
    "fake_quantize": (
        lambda x: aten.fake_quantize_per_tensor_affine_cachemask(x, 0.03, 3, -16, 15),
        (ROWS,),
    ),
    **{
        f"fake_quantize with zeros of {zero.dtype}": (
            lambda x, scale, zero: aten.fake_quantize_per_channel_affine_cachemask(
                x, scale, zero, 0, 0, 15
            ),
            (ROWS, torch.tensor([0.1, 0.02, 0.3, 0.04]), zero),
        )
        for zero in (torch.tensor([3, 4, 7, 8]).int(), torch.tensor([3.3, 4.5, 7.0, 8.7]))
    },
    "embedding_bag backward": (
        lambda g, i, o, b, s: aten._embedding_bag_backward(
            g, i, o, b, s, s, 6, False, 1, False, None
        ),
        (normal(3, 3), IDS, STARTS, *aten._embedding_bag(TABLE, IDS, STARTS, False, 1)[1:3]),
    ),
    "embedding_bag backward of its weights": (
        lambda g, t, i, o, b: aten._embedding_bag_per_sample_weights_backward(g, t, i, o, b, 0),
        (normal(3, 3), TABLE, IDS, STARTS, aten._embedding_bag(TABLE, IDS, STARTS, False, 1)[1]),
    ),
    "rounding to tens": (
        lambda x: (x.round(decimals=-2), x.round(decimals=-1), x.round(decimals=1)),
        (torch.arange(-1000.0, 1000.0, 5),),
    ),
    "bilinear of bytes, whose sums wrap": (torch.nn.functional.bilinear, (BYTES, BYTES, CUBE)),
    "median with NaN": (lambda x: x.median(0), (ROWS.masked_fill(ROWS > 1, float("nan")),)),
}


class Called(torch.nn.Module):
    """A function as a module."""

    def __init__(self, function: Call) -> None:
        super().__init__()
        self.function = function

    def forward(self, *tensors: torch.Tensor) -> Any:
        """The function's result."""
        return self.function(*tensors)


@pytest.mark.parametrize("case", CASES)
def test_it_is_what_torch_computes(case: str) -> None:
    """Sums of at most 2^6 terms of size 2^2: 2^6 roundings of 2^-24 of the largest are 2^-18."""
    function, tensors = CASES[case]
    wanted = function(*tensors)
    listed = list(wanted) if isinstance(wanted, tuple | list) else [wanted]
    compiled = neuronc.torch.compile_model(Called(function), tuple(tensors))
    found = neuronc.load(compiled)(*[t.numpy() for t in tensors])
    assert len(found) == len(listed)
    for ours, theirs in zip(found, listed, strict=True):
        want = theirs.numpy()
        assert (ours.dtype, ours.shape) == (want.dtype, want.shape)
        np.testing.assert_allclose(
            ours, want, rtol=0, atol=2**-18 * np.nanmax(abs(want), initial=1)
        )
