"""What a stage of the compiler is, and the first ones: from whole arrays to kernels that fit.

They are by themselves because `neuronc check` needs no more, and starts faster so.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.passes import ModulePass

from neuronc.backend.spill import Spill
from neuronc.passes.count_trips import CountTrips
from neuronc.passes.decompose import Decompose
from neuronc.passes.fuse import Fuse
from neuronc.passes.match_activation import MatchActivation
from neuronc.passes.match_attention import MatchAttention
from neuronc.passes.match_rotary import MatchRotary
from neuronc.passes.materialize import Materialize
from neuronc.passes.outline import Outline
from neuronc.passes.roll import Roll
from neuronc.passes.simplify import Simplify
from neuronc.passes.tiled import Tiled

SOURCE = frozenset({"builtin", "func", "stablehlo", "chlo", "activation", "program"})
"""The dialects of programs on whole arrays, and of kernels that hold such."""


@dataclass(frozen=True)
class Stage:
    """Passes that bring the module from one form to the next."""

    name: str
    passes: tuple[ModulePass, ...]
    leaves: frozenset[str]
    """The dialects that may remain."""


def kernel_stages(target: str, tiled: Tiled) -> tuple[Stage, ...]:
    """The stages that find kernels, one for all that are alike, none larger than fits."""
    return (
        Stage("simplified", _simplified(), SOURCE),
        Stage("fused", _fused(target, tiled), SOURCE),
    )


def _simplified() -> tuple[ModulePass, ...]:
    tidy = Simplify(), Decompose(), Simplify()
    return Roll(), *tidy, CountTrips(), MatchActivation(), MatchRotary()


def _fused(target: str, tiled: Tiled) -> tuple[ModulePass, ...]:
    kernels = Fuse(target), Outline(), Spill(target, tiled)
    return MatchAttention(target), Materialize(), *kernels
