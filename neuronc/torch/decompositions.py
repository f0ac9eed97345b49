"""Which operations are taken apart before we see them: all that have no emitter of their own.

An operation with an emitter stays whole, however torch would spell it out: attention, GELU, linear
and normalisations arrive as one node, and leave in a form that fusion finds. What torch itself
leaves whole, and we do not emit, `neuronc.torch.expansions` takes apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import _decomp

from neuronc.torch.composites import composites
from neuronc.torch.expansions import EXPANSIONS
from neuronc.torch.ops import emitter_of
from neuronc.torch.table import REFUSED, name_of

Decompositions = dict[Any, Callable[..., Any]]


def decompositions() -> Decompositions:
    """The table for `ExportedProgram.run_decompositions` and AOTAutograd."""
    return {op: f for op, f in _known().items() if not is_kept(op)}


@cache
def _known() -> Mapping[Any, Callable[..., Any]]:
    """Everything that can be taken apart; torch's table takes half a second to make."""
    table: Any = torch.export.default_decompositions()
    found: Decompositions = dict(table.items())
    known: Any = vars(_decomp)["decomposition_table"]
    for op, function in {**known, **composites()}.items():
        found.setdefault(op, function)
    return found | {_overload(name): function for name, function in EXPANSIONS.items()}


def _overload(name: str) -> Any:
    """The operation of a full name, as "aten.add.Tensor"."""
    namespace, base, overload = name.split(".")
    return getattr(getattr(getattr(torch.ops, namespace), base), overload)


def is_kept(op: Any) -> bool:
    """Whether an operation is emitted, or refused, as it is."""
    return emitter_of(op) is not None or name_of(op) in REFUSED
