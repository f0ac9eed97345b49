"""An attention as it was read off a program: two contractions, and what lies between them.

s = dot(q, k);  c = elementwise ops on s;  e = exp(c - max(c));  p = e / sum(e);  o = dot(p, v)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from xdsl.ir import Operation, SSAValue

from neuronc.dialects.stablehlo.contraction import DotGeneralOp
from neuronc.passes.atoms import (
    Atoms,
    Dim,
    Pieces,
)
from neuronc.passes.visibility import Visible

Layout = tuple[Dim, ...]
Stop = Callable[[SSAValue], bool]


@dataclass
class Attention:
    """One attention: its two contractions, and what happens to the scores between them."""

    score: DotGeneralOp
    value: DotGeneralOp
    ops: list[Operation]
    """Everything from `score` to `value`, in order."""
    weight: int = 0
    """Which operand of `value` the weights are."""
    chain: list[Operation] = field(default_factory=list[Operation])
    """The elementwise ops on scores before the softmax, in order."""
    layouts: dict[SSAValue, Layout] = field(default_factory=dict[SSAValue, Layout])
    loads: dict[tuple[Operation, int], tuple[Atoms, Pieces]] = field(
        default_factory=dict[tuple[Operation, int], tuple[Atoms, Pieces]]
    )
    """What an op of the chain reads beside scores, and its strides beside those of the scores."""
    visible: dict[Operation, tuple[Visible, Pieces]] = field(
        default_factory=dict[Operation, tuple[Visible, Pieces]]
    )
    """The selects whose predicate compares positions."""
    keys: Pieces = ()
    """The part of the scores that the softmax runs over."""
    safe: bool = False
    """Whether the weights of a row are 0 where all its scores are -inf."""
