"""Choose how many heads of a short attention are taken at once, by what each choice costs.

    [32, 12] heads of 128 queries and 128 keys
  becomes
    loads of 12 heads, 4 of them side by side

Heads go side by side as long as their scores and their results fit a PSUM bank each. The present
form, a head at a time, is one of the candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from neuronc.hardware import Generation
from neuronc.passes.attention import Attention
from neuronc.passes.attention_beside import Group
from neuronc.passes.attention_cost import BANKS, Cost
from neuronc.passes.attention_plan import Plan
from neuronc.passes.attention_space import BATCH, DEPTH, KEYS, ROWS, WIDTH, Space
from neuronc.passes.body import element
from neuronc.passes.iteration import tile_shape

_BETTER = 0.995
"""Choices within this share are equal; then the one with fewer and larger instructions wins."""
_LOADED_SHARE = 8
"""What is loaded may take this part of SBUF: it takes turns, and other blocks are beside it."""


def choose_group(space: Space, it: Attention, plan: Plan, hw: Generation) -> Group | None:
    """The heads to take at once; None where a head at a time is cheaper."""
    if any(len(tile.chunks) > 1 for tile in plan.tiles) or prod(space.extents(BATCH)) == 1:
        return None
    cost = Cost(space, it, plan, hw)
    best, least = None, cost.one_by_one()
    for group in _groups(space, it, plan, hw):
        seconds = cost.several(group)
        if seconds < least * _BETTER:
            best, least = group, seconds
    return best


def _groups(space: Space, it: Attention, plan: Plan, hw: Generation) -> Iterator[Group]:
    """All choices, the largest groups first."""
    sizes, banks = space.extents(BATCH), _banks(plan, hw)
    for many in _counts(sizes, _heads_max(space, plan, hw)):
        counts = tile_shape(sizes, many)
        for loaded in _loads(space, it, many, hw):
            for together in (True, False):
                yield Group(loaded, counts, together, banks)


def _counts(sizes: list[int], most: int) -> list[int]:
    """Numbers of heads that are boxes, falling."""
    found = {prod(tile_shape(sizes, n)) for n in range(1, most + 1)}
    return sorted(found, reverse=True)


def _heads_max(space: Space, plan: Plan, hw: Generation) -> int:
    """How many heads' scores, and results, are in one bank."""
    keys = max(tile.chunks[0].count for tile in plan.tiles)
    columns = hw.matmul_columns_max
    return min(prod(space.extents(BATCH)), columns // keys, columns // space.extent(WIDTH))


def _loads(space: Space, it: Attention, many: int, hw: Generation) -> Iterator[tuple[int, ...]]:
    """Boxes of heads to load that the boxes of `many` heads cover, the largest first."""
    sizes = space.extents(BATCH)
    rows, keys = (-(-space.extent(g) // hw.partitions) for g in (ROWS, KEYS))
    inner = (rows + keys) * space.extent(DEPTH) + keys * space.extent(WIDTH)
    head = inner * element(it.score.operands[0]).bytes
    most = max(hw.sbuf_bytes_per_partition // _LOADED_SHARE // head, 1)
    for factor in (16, 8, 4, 3, 2, 1):
        box = tile_shape(sizes, min(many * factor, prod(sizes)))
        if prod(box) <= max(most, many) and tile_shape(box, many) == tile_shape(sizes, many):
            yield box


def _banks(plan: Plan, hw: Generation) -> tuple[int, int]:
    """Banks for one run of the loop over heads, which takes turns with the next where they fit.

    A head that is one tile of queries needs one of scores, one of results and two of transposes.
    """
    several = min(len(plan.tiles), BANKS)
    rest = hw.psum_bytes_per_partition // hw.psum_bank_bytes // (3 - several) - 2 * several
    return several, rest
