"""What torch leaves whole, taken apart in torch's own functions; importing this fills the table.

    @expands("cholesky_solve")
    def cholesky_solve(y, factor, upper=False): ...

A function here is traced, so it must not change a tensor in place nor ask for a value.
"""

from __future__ import annotations

from neuronc.torch.expansions import (
    bags,
    gamma,
    gradients,
    grid,
    histograms,
    linear_algebra,
    loss,
    order,
    quantize,
    sampling,
    special,
    strided,
    windows,
)
from neuronc.torch.table import EXPANSIONS as EXPANSIONS

ROOMS = (
    linear_algebra,
    order,
    windows,
    histograms,
    special,
    gamma,
    grid,
    sampling,
    strided,
    bags,
    loss,
    gradients,
    quantize,
)
