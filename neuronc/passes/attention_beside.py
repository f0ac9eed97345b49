"""Heads side by side: the blocks of several heads as columns of one, head after head.

Heads are a box over the dimensions of the batch, numbered row-major. An instruction on all of them
walks (heads, columns of one); what some dimensions of the batch share is walked with step 0 there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from neuronc.passes.iteration import Strided, collapse, merge_pairs
from neuronc.passes.operand import Operand, Ref

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Block:
    """[rows, heads x columns]: each head's columns begin `step` after those of the one before."""

    ref: Ref
    step: int
    rows: int
    start: int = 0

    def of(self, sizes: Sequence[int], count: int, start: int = 0) -> Operand:
        """`count` columns of each head from `start`, walked as (sizes..., count)."""
        heads = tuple((self.step * prod(sizes[d + 1 :]), n) for d, n in enumerate(sizes))
        return self.ref.at(self.start + start, (*heads, (1, count)), 0, self.rows)


@dataclass(frozen=True)
class Beside:
    """A box of heads; the empty box is one head."""

    counts: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """How many heads there are."""
        return prod(self.counts)

    @property
    def flat(self) -> tuple[int, ...]:
        """All heads as one dimension, none for one head."""
        return (self.size,) if self.size > 1 else ()

    def walk(self, strides: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], list[Pairs]]:
        """The fewest sizes over which all accesses step evenly, and each one's pairs."""
        accesses = [Strided(None, 0, tuple(s)) for s in strides]
        sizes, _, merged = collapse(self.counts, [0] * len(self.counts), accesses)
        if not sizes or not strides:
            return self.flat, [()] * len(strides)
        return sizes, [tuple(zip(a.strides, sizes, strict=True)) for a in merged]


ONE = Beside()


@dataclass(frozen=True)
class Group:
    """Which heads are taken at once, as boxes over the batch, and how."""

    loaded: tuple[int, ...]
    """Loaded together."""
    counts: tuple[int, ...]
    """Side by side, and a part of those loaded."""
    together: bool
    """Whether the maxima are subtracted of all heads at once, not by each head's exponential."""
    banks: tuple[int, int]
    """Of scores and of results, and of transposes, in one run of the loop over heads."""

    def __str__(self) -> str:
        """Render like `4 heads side by side, loaded by 12`."""
        how = "" if self.together else ", exponentials by head"
        return f"{prod(self.counts)} heads side by side, loaded by {prod(self.loaded)}{how}"


def taken(pairs: Pairs) -> Pairs:
    """The pairs that move: what is loaded for a walk of some heads."""
    return merge_pairs([(step, count) for step, count in pairs if step])


def placed(pairs: Pairs, width: int) -> Pairs:
    """How a walk steps over the columns that `taken` was loaded into, `width` for each."""
    out: list[tuple[int, int]] = []
    for step, count in reversed(pairs):
        out.append((width if step else 0, count))
        width *= count if step else 1
    return tuple(reversed(out))
