"""The emitters, by topic; importing this package fills the table."""

from __future__ import annotations

from typing import Any

from neuronc.torch.ops import (
    activation,
    arithmetic,
    attention,
    comparison,
    complex,
    contraction,
    control,
    convolution,
    elementwise,
    factors,
    factory,
    gamma,
    indexing,
    linear_algebra,
    norm,
    padding,
    polynomials,
    pooling,
    primitives,
    random,
    reductions,
    resizing,
    running,
    shape,
    sorting,
    strided,
)
from neuronc.torch.table import CUSTOM, EMITTERS, Emitter, name_of

TOPICS = (
    elementwise,
    arithmetic,
    comparison,
    activation,
    complex,
    reductions,
    contraction,
    convolution,
    norm,
    pooling,
    resizing,
    running,
    indexing,
    shape,
    padding,
    factory,
    attention,
    control,
    random,
    sorting,
    strided,
    primitives,
    linear_algebra,
    factors,
    polynomials,
    gamma,
)
"""In the order of the page."""
primitives.alias_primitives()


def emitter_of(target: Any) -> Emitter | None:
    """The emitter of what a node calls, or None."""
    name = name_of(target)
    return CUSTOM.get(name) or EMITTERS.get(name)
