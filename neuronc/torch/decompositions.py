"""Which operations torch takes apart before we see them: all that have no emitter of their own.

An operation with an emitter stays whole, however torch would spell it out: attention, GELU, linear
and normalisations arrive as one node, and leave in a form that fusion finds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import _decomp

from neuronc.torch.composites import composites
from neuronc.torch.ops import emitter_of
from neuronc.torch.table import REFUSED, name_of

Decompositions = dict[Any, Callable[..., Any]]


def decompositions() -> Decompositions:
    """The table for `ExportedProgram.run_decompositions` and AOTAutograd."""
    table: Any = torch.export.default_decompositions()
    found: Decompositions = dict(table.items())
    known: Any = vars(_decomp)["decomposition_table"]
    for op, function in {**known, **composites()}.items():
        found.setdefault(op, function)
    return {op: f for op, f in found.items() if not is_kept(op)}


def is_kept(op: Any) -> bool:
    """Whether an operation is emitted, or refused, as it is."""
    return emitter_of(op) is not None or name_of(op) in REFUSED
