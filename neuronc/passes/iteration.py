"""Iteration spaces: which dimensions can be walked as one, and how a tile covers them.

A `Strided` is one access to a space of dimensions. Dimensions are collapsed where every access
walks them as one; a `Tile` then covers as many inner dimensions as fit in its size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from xdsl.ir import SSAValue

from neuronc.dialects.access import Affine
from neuronc.dtypes import ElementType
from neuronc.passes.views import View


@dataclass(frozen=True)
class Strided:
    """offset + sum(index[d] * strides[d]) into `source` (None: the number itself, an iota)."""

    source: SSAValue | None
    offset: int
    strides: tuple[int, ...]

    @staticmethod
    def of(view: View, order: Sequence[int] | None = None) -> Strided:
        """The view's access, with its dimensions in `order`."""
        strides = view.strides if order is None else tuple(view.strides[d] for d in order)
        return Strided(view.source, view.offset, strides)


@dataclass(frozen=True)
class Load:
    """What a kernel brings on chip, once for all its readers at one level."""

    access: Strided
    element: ElementType
    level: str = ""


def collapse(
    sizes: Sequence[int], groups: Sequence[int], accesses: Sequence[Strided]
) -> tuple[tuple[int, ...], tuple[int, ...], list[Strided]]:
    """Merge neighbouring dimensions of one group that every access walks as one.

    `groups[d]` is the class of dimension d; only equal neighbours merge. Dimensions of size 1
    vanish. Returns the new sizes, their groups and the accesses over them.
    """
    kept: list[list[int]] = []
    for d, size in enumerate(sizes):
        if size == 1:
            continue
        if (
            kept
            and groups[kept[-1][-1]] == groups[d]
            and _walks_as_one(kept[-1][-1], d, size, accesses)
        ):
            kept[-1].append(d)
        else:
            kept.append([d])
    merged = [replace(a, strides=tuple(a.strides[run[-1]] for run in kept)) for a in accesses]
    new_sizes = tuple(prod(sizes[d] for d in run) for run in kept)
    return new_sizes, tuple(groups[run[0]] for run in kept), merged


def _walks_as_one(outer: int, inner: int, size: int, accesses: Sequence[Strided]) -> bool:
    return all(a.strides[outer] == a.strides[inner] * size for a in accesses)


@dataclass(frozen=True)
class Tile:
    """The part of a space that one block covers: `counts[d]` indices from `starts[d]`."""

    starts: tuple[Affine, ...]
    counts: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many indices the tile covers."""
        return prod(self.counts)

    def first(self, dimensions: int) -> Tile:
        """The tile over the first dimensions alone."""
        return Tile(self.starts[:dimensions], self.counts[:dimensions])

    def offset(self, strides: Sequence[int]) -> Affine:
        """Elements from the start of the space to the start of the tile."""
        total = Affine()
        for start, stride in zip(self.starts, strides, strict=True):
            total = total + start * stride
        return total

    def pairs(self, strides: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """The (step, count) pairs that walk the tile, neighbours merged where possible."""
        return merge_pairs(tuple(zip(strides, self.counts, strict=True)))

    def pieces(self, strides: Sequence[int]) -> Iterator[tuple[int, int, int, int]]:
        """Runs that one step covers: (start in the tile, count, elements offset, step)."""
        pairs = self.pairs(strides) or ((0, 1),)
        *outer, (step, count) = pairs
        for number, index in enumerate(product(*(range(n) for _, n in outer))):
            offset = sum(i * s for i, (s, _) in zip(index, outer, strict=True))
            yield number * count, count, offset, step


def merge_pairs(pairs: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Drop counts of 1 and join neighbours that one step walks."""
    out: list[tuple[int, int]] = []
    for step, count in pairs:
        if count == 1:
            continue
        if out and out[-1][0] == step * count:
            out[-1] = (step, out[-1][1] * count)
        else:
            out.append((step, count))
    return tuple(out)


def tile_shape(sizes: Sequence[int], limit: int) -> tuple[int, ...]:
    """How much of each dimension one tile takes: whole inner ones, then part of the next.

    The part is even where that costs no extra tile, so that fewer odd remainders are left.
    """
    counts = [1] * len(sizes)
    room = max(limit, 1)
    for d in range(len(sizes) - 1, -1, -1):
        if sizes[d] <= room:
            counts[d] = sizes[d]
            room //= sizes[d]
            continue
        tiles = -(-sizes[d] // room)
        counts[d] = room if len(sizes) == 1 else -(-sizes[d] // tiles)
        break
    return tuple(counts)
