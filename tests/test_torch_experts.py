"""Experts: which of them a row meets is known at run time only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import neuronc.torch  # noqa: E402
from neuronc.torch.elements import to_numpy  # noqa: E402

GROUPS, INNER, COLUMNS = 8, 32, 48


class Experts(torch.nn.Module):
    def __init__(self, transposed: bool) -> None:
        super().__init__()
        shape = (GROUPS, COLUMNS, INNER) if transposed else (GROUPS, INNER, COLUMNS)
        self.transposed = transposed
        self.weight = torch.nn.Parameter(torch.randn(shape).bfloat16())

    def forward(self, x: Any, ends: Any) -> Any:
        weight = self.weight.transpose(1, 2) if self.transposed else self.weight
        return torch.nn.functional.grouped_mm(x, weight, offs=ends)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("rows", [3, 12])
def test_few_rows_meet_only_their_own_experts(rows: int, transposed: bool) -> None:
    torch.manual_seed(0)
    model = Experts(transposed)
    x = torch.randn(rows, INNER).bfloat16()
    group = torch.randint(0, GROUPS, (rows,)).sort().values
    ends = torch.bincount(group, minlength=GROUPS).cumsum(0).int()
    compiled = neuronc.torch.compile_model(model, (x, ends))
    (found,) = neuronc.load(compiled)(to_numpy(x), ends.numpy())
    wanted = model(x, ends).detach()
    # Both sum in float32 and round once, to 8 bits.
    np.testing.assert_allclose(np.float32(found), wanted.float().numpy(), rtol=2**-7, atol=1e-3)
    met = rows if 2 * rows <= GROUPS else rows * GROUPS
    report = compiled.report
    assert met * 2 * INNER * COLUMNS <= report.tensor_flops < 1.5 * met * 2 * INNER * COLUMNS
