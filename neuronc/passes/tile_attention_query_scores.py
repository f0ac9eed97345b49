"""What happens to the scores of a group of heads before their softmax, all heads at once.

Scores are [lanes, heads, queries, keys of a partition]. As in `tile_attention_scores`, factors are
handed on to the scalar engine's scale, and predicates of positions are patterns made once; what is
read beside the scores has a column for each key of a partition, and one set of them for all heads
that share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from xdsl.ir import Operation

from neuronc.dialects.access import Affine
from neuronc.dtypes import BY_NAME
from neuronc.passes.attention import Attention
from neuronc.passes.attention_plan import bounds, hidden_number, scale_of, shown_inverted
from neuronc.passes.attention_space import BATCH, KEYS, ROWS, Space
from neuronc.passes.body import Body, element, location
from neuronc.passes.builder import Builder
from neuronc.passes.functions import function_name, map_function
from neuronc.passes.iteration import merge_pairs
from neuronc.passes.operand import Operand, Ref
from neuronc.passes.tile_attention_query_load import Group
from neuronc.passes.tile_attention_query_plan import QueryPlan, Section, dense, walks
from neuronc.passes.transfer import transfer, write_numbers
from neuronc.passes.views import splat_of

Beside = tuple[Ref, Sequence[int]]
"""A block, and its steps over the heads, the queries and the keys of a partition."""
_FLOAT, _BOOLEAN, _NUMBER = BY_NAME["f32"], BY_NAME["i1"], BY_NAME["i32"]


class QueryScores:
    """Emits the chain of one attention."""

    def __init__(
        self, body: Body, builder: Builder, space: Space, it: Attention, plan: QueryPlan
    ) -> None:
        self._body, self._b, self._space, self._it, self._plan = body, builder, space, it, plan
        self._patterns: dict[tuple[Operation, Section], Ref] = {}
        self._numbers: dict[float, Ref] = {}

    def prepare(self) -> None:
        """Make the patterns of predicates, which all heads share."""
        for op in self._it.visible:
            for section in self._plan.sections:
                if self._is_partly(op, section):
                    self._make(op, section)

    def emit(self, scores: Ref, section: Section, group: Group) -> tuple[Ref, float]:
        """The scores after the chain, and a factor that is still to come."""
        scale = 1.0
        for op in self._it.chain:
            self._b.loc, self._b.source = location(op), op.name
            factor = scale_of(op)
            if factor is not None:
                scale *= factor
            elif op in self._it.visible:
                if (op, section) in self._patterns:
                    own = dense((*self._space.extents(ROWS), section.columns))
                    pattern = self._patterns[op, section], (*(0 for _ in group.counts), *own)
                    self._hide(op, scores, pattern, group, scale)
            elif self._is_hiding(op, scale):
                self._hide(op, scores, self._loaded((op, 0), section, group), group, scale)
            else:
                if scale != 1.0:
                    self._b.map(
                        "multiply", scores.all(), scores.all(), immediate=scale, immediate_at=1
                    )
                scores, scale = self._compute(op, scores, section, group), 1.0
        return scores, scale

    def _is_partly(self, op: Operation, section: Section) -> bool:
        """Whether a predicate does not show a whole section."""
        rows = self._space.extents(ROWS)
        zeros = [0] * len(rows)
        low, high = bounds(self._space, op, zeros, rows, section.start, section.keys)
        return (high >= 0) if shown_inverted(op) else (low < 0)

    def _is_hiding(self, op: Operation, scale: float) -> bool:
        """Whether an op puts one number where a mask hides, finite by the pending factor too."""
        if function_name(op) != "select" or set(self._it.loads) & {(op, 1), (op, 2)}:
            return False
        if sum(splat_of(v) is not None for v in op.operands[1:]) != 1:
            return False
        number = hidden_number(op)
        return bool(np.isinf(number)) or bool(np.isfinite(_single(number / scale)))

    def _make(self, op: Operation, section: Section) -> None:
        """A block that is true where the scores show: [lanes, queries, keys of a partition]."""
        space, columns = self._space, self._plan.rows * section.columns
        pattern = self._b.alloc(section.lanes, columns, _BOOLEAN)
        number = self._b.alloc(section.lanes, columns, _NUMBER)
        step = space.stride(op, KEYS)
        base = space.accesses[op].offset + step * section.start
        rows = zip(space.strides(op, ROWS), space.extents(ROWS), strict=True)
        tile = (step * section.lanes * section.together, section.tiles)
        free = merge_pairs((*rows, tile, (step, section.together)))
        write_numbers(
            self._b, number, (0, section.lanes), Affine(base), step * section.together, free
        )
        self._b.map("ge", pattern.all(), number.all(), immediate=0.0, immediate_at=1)
        self._patterns[op, section] = pattern

    def _hide(self, op: Operation, scores: Ref, mask: Beside, group: Group, scale: float) -> None:
        """Put the number that hides where a predicate does not show."""
        sizes = self._sizes(group, scores.columns // group.size // self._plan.rows)
        shown, number = mask[0], self._number(_single(hidden_number(op) / scale))
        own, by, same = walks(sizes, dense(sizes), mask[1], [0] * len(sizes))
        lanes = scores.partitions
        block, hidden = scores[own], number.at(0, same, 0, lanes)
        chosen = (hidden, block) if shown_inverted(op) else (block, hidden)
        self._b.map("select", block, shown[by], *chosen)

    def _sizes(self, group: Group, columns: int) -> tuple[int, ...]:
        """The dimensions of the scores of a partition: heads, queries, keys."""
        return (*group.counts, *self._space.extents(ROWS), columns)

    def _number(self, value: float) -> Ref:
        """A number on every partition, made once."""
        if value not in self._numbers:
            lanes = max(s.lanes for s in self._plan.sections)
            self._numbers[value] = self._b.alloc(lanes, 1, _FLOAT)
            self._b.fill(self._numbers[value].all(), value)
        return self._numbers[value]

    def _compute(self, op: Operation, scores: Ref, section: Section, group: Group) -> Ref:
        """One op on all scores."""
        sizes = self._sizes(group, section.columns)
        select = function_name(op) == "select"
        found: list[Beside | float] = []
        for index, value in enumerate(op.operands):
            splat = splat_of(value)
            if splat is not None and select and index:
                found.append((self._number(_single(float(splat))), [0] * len(sizes)))
            elif splat is not None:
                found.append(float(splat))
            elif (op, index) in self._it.loads:
                wide = select and index > 0
                found.append(self._loaded((op, index), section, group, wide))
            else:
                found.append((scores, dense(sizes)))
        made = self._b.alloc(section.lanes, scores.columns, _FLOAT)
        blocks = [f for f in found if not isinstance(f, float | int)]
        own, *others = walks(sizes, dense(sizes), *(strides for _, strides in blocks))
        walked = iter(others)
        sources: list[Operand | float] = [
            f if isinstance(f, float | int) else f[0].at(0, next(walked), 0, section.lanes)
            for f in found
        ]
        map_function(self._b, op, made[own], sources, section.lanes)
        return made

    def _loaded(
        self, key: tuple[Operation, int], section: Section, group: Group, wide: bool = False
    ) -> Beside:
        """What is read beside a section of scores; as float32 where that is `wide`."""
        space, kind = self._space, element(key[0].operands[key[1]])
        step, strides = space.stride(key, KEYS), space.strides(key, BATCH)
        strides = [*strides, *space.strides(key, ROWS)]
        dims = [*zip(strides, self._sizes(group, 1)[:-1], strict=True)]
        tile = step * section.lanes * section.together
        sizes = [*(n if s else 1 for s, n in dims), section.columns if step else 1]
        ref = self._b.alloc(section.lanes, prod(sizes), kind)
        source = space.accesses[key].source
        assert source is not None
        base = space.offset(key, group.starts) + step * section.start
        window = (self._body.buffers[source], base, step * section.together)
        keys = ((tile, section.tiles), (step, section.together)) if step else ()
        pairs = merge_pairs((*((s, n) for s, n in dims if s), *keys))
        transfer(self._b, ref, Affine(), (0, section.lanes), window, pairs, False)
        if wide and kind is not _FLOAT:
            loaded, ref = ref, self._b.alloc(section.lanes, ref.columns, _FLOAT)
            self._b.cast(ref.all(), loaded.all())
        moving = [*(bool(s) for s in strides), bool(step)]
        return ref, [m * n for m, n in zip(moving, dense(sizes), strict=True)]


def _single(value: float) -> float:
    """The float32 nearest to a number, or an infinity."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))
