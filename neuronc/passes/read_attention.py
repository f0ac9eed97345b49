"""Read attention off the ops between two contractions: by what they compute, not by name.

    s = dot(q, k);  c = elementwise ops on s;  e = exp(c - max(c));  p = e / sum(e);  o = dot(p, v)

A softmax may be safe, as PyTorch has it for masks: 0 and not NaN where a row's scores are all -inf.
The ops in between may see the scores transposed and reshaped, as producers do; each value keeps
its `layout`: what its dimensions walk of the first contraction's result. Everything is refused
(None) that is not certain: a score that something else reads, a maximum over other axes, an
operation that is not elementwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from xdsl.ir import Block, Operation, SSAValue

from neuronc.dialects.stablehlo.contraction import DotGeneralOp
from neuronc.dialects.stablehlo.reduction import ReduceOp
from neuronc.dialects.types import element_type, shape_of
from neuronc.passes.atoms import (
    align_all,
    atoms_of,
    compose,
    dense_atoms,
    normal,
    table_of,
)
from neuronc.passes.attention import Attention, Layout, Stop
from neuronc.passes.attention_roles import (
    BOUND,
    DIVISOR,
    REDUCED,
    SAFE,
    SCORE,
    SHIFTED,
    SOFTMAX,
    WEIGHT,
)
from neuronc.passes.attributes import ints, string
from neuronc.passes.functions import function_name, is_elementwise, reduction_of
from neuronc.passes.views import is_view_op, splat_of
from neuronc.passes.visibility import visible_of

OPS_MAX = 64
"""Ops that may lie between the two contractions."""


def read_attention(
    score: Operation, order: Mapping[Operation, int], stop: Stop
) -> Attention | None:
    """The attention that begins with the contraction `score`, if it is one."""
    if not isinstance(score, DotGeneralOp):
        return None
    found = _closure(score)
    if found is None:
        return None
    ops, value = found
    ops.sort(key=order.__getitem__)
    attention = Attention(score, value, [score, *ops, value])
    return attention if _Reader(attention, stop).read() else None


def _closure(score: DotGeneralOp) -> tuple[list[Operation], DotGeneralOp] | None:
    """All ops that depend on the scores, up to one other contraction that ends them all."""
    seen: dict[Operation, None] = {}
    ends: set[DotGeneralOp] = set()
    waiting: list[SSAValue] = [score.results[0]]
    while waiting:
        for use in waiting.pop().uses:
            op = use.operation
            if isinstance(op, DotGeneralOp):
                ends.add(op)
            elif not (is_view_op(op) or is_elementwise(op) or reduction_of(op)):
                return None
            elif op not in seen:
                seen[op] = None
                waiting += op.results
        if len(seen) > OPS_MAX or len(ends) > 1:
            return None
    block = score.parent
    if len(ends) != 1 or any(op.parent is not block for op in (*seen, *ends)):
        return None
    return list(seen), ends.pop()


@dataclass
class _Reader:
    """Says what each value is, in order; stops at the first that has no part in attention."""

    it: Attention
    stop: Stop
    roles: dict[SSAValue, tuple[int, SSAValue]] = field(
        default_factory=dict[SSAValue, tuple[int, SSAValue]]
    )
    shift: int | None = None
    """Whether a maximum or a bound is subtracted from the scores; both is no softmax."""
    latest: SSAValue | None = None
    """The end of the chain so far: an op that reads an earlier score is no link of it."""

    def read(self) -> bool:
        """Whether everything is in its place."""
        it, scores = self.it, self.it.score.results[0]
        self.roles[scores] = (SCORE, scores)
        self.latest = scores
        it.layouts[scores] = dense_atoms(scores, shape_of(scores)).dims
        middle = [op for op in it.ops[1:-1] if not is_view_op(op)]
        return all(self._op(op) for op in middle) and self._end()

    def _op(self, op: Operation) -> bool:
        if isinstance(op, ReduceOp):
            return self._reduce(op)
        known = [self._known(v) for v in op.operands]
        roles = [self.roles[v][0] if v is not None else None for v in known]
        if not self._place(op, known):
            return False
        result, name = op.results[0], function_name(op)
        sources = [v for v in known if v is not None]
        role, root = self.roles[sources[0]]
        if name == "convert":
            self.roles[result] = (role, root)
            return element_type(result).is_float and self._is_float(op.operands[0])
        if role == SCORE and set(roles) <= {SCORE, None} and name != "compare":
            if any(self.roles[v][1] is not self.latest for v in sources):
                return False
            self.it.chain.append(op)
            self.roles[result] = (SCORE, result)
            self.latest = result
            return element_type(result).is_float and self._reads(op, known)
        made = self._softmax(op, name, roles, known)
        if made is None:
            return False
        self.roles[result] = (made, root)
        same = len({self.roles[v][1] for v in sources}) == 1
        return same and self._shifts_once(made, roles)

    def _softmax(
        self, op: Operation, name: str, roles: list[int | None], known: list[SSAValue | None]
    ) -> int | None:
        """What an op of the softmax itself makes."""
        splats = [splat_of(v) for v, k in zip(op.operands, known, strict=True) if k is None]
        numbers = [float(s) for s in splats if s is not None]
        if len(numbers) != len(splats):
            return None
        spelled = string(op, "comparison_direction") if name == "compare" else name
        return SOFTMAX.get((spelled, tuple(roles), tuple(numbers)))

    def _shifts_once(self, made: int, roles: list[int | None]) -> bool:
        """Whether all exponentials are of one difference, and a divisor is of those of a bound."""
        if made == SHIFTED:
            self.shift = roles[1] if self.shift is None else None
            return self.shift is not None
        return made != DIVISOR or self.shift == BOUND

    def _reduce(self, op: ReduceOp) -> bool:
        """A maximum of scores, a sum of exponentials, or whether there are any, over the keys."""
        source = self._known(op.operands[0])
        initial = splat_of(op.operands[1])
        if source is None or initial is None:
            return False
        role, root = self.roles[source]
        if root is not self.latest:
            return False
        layout = self._layout(op.operands[0], source)
        if role not in REDUCED or layout is None:
            return False
        name, identity, made = REDUCED[role]
        if reduction_of(op) != name or float(initial) != identity:
            return False
        over = ints(op, "dimensions")
        keys = normal([(n, s, s) for d in over for n, s in layout[d]])
        if self.it.keys not in ((), keys):
            return False
        self.it.keys = keys
        result = op.results[0]
        self.roles[result] = (made, root)
        kept = [dim for d, dim in enumerate(layout) if d not in over]
        self.it.layouts[result] = tuple(kept)
        return True

    def _known(self, value: SSAValue) -> SSAValue | None:
        """The value between the contractions that `value` is a view of."""
        while value not in self.roles:
            op = value.owner
            if isinstance(op, Block) or not is_view_op(op):
                return None
            value = op.operands[0]
        return value

    def _is_float(self, value: SSAValue) -> bool:
        return element_type(value).is_float

    def _layout(self, value: SSAValue, source: SSAValue) -> Layout | None:
        """What the dimensions of a view of `source` walk of the scores."""
        atoms = atoms_of(value, lambda v: v is source)
        if atoms is None or atoms.offset:
            return None
        return compose(atoms.dims, table_of(shape_of(source), self.it.layouts[source]))

    def _place(self, op: Operation, known: list[SSAValue | None]) -> bool:
        """Find the layout of the op's result; all operands must agree on it."""
        layouts = [
            self._layout(v, k) for v, k in zip(op.operands, known, strict=True) if k is not None
        ]
        if None in layouts:
            return False
        plain = [dims for dims in layouts if dims is not None]
        size = prod(shape_of(self.it.score.results[0]))
        whole = [p for p in plain if prod(n for d in p for n, s in d if s) == size]
        chosen = (whole or plain)[0]
        self.it.layouts[op.results[0]] = chosen
        return all(self._agrees(dims, chosen) for dims in plain)

    def _agrees(self, dims: Layout, chosen: Layout) -> bool:
        """Whether the first steps like the second, or leaves out the keys and nothing else."""
        pieces = align_all(dims, chosen)
        if pieces is None:
            return False
        missing = normal([(n, t, t) for n, s, t in pieces if s == 0 and t])
        return all(s in (0, t) for _, s, t in pieces) and missing in ((), self.it.keys)

    def _reads(self, op: Operation, known: list[SSAValue | None]) -> bool:
        """Find how the op reads what are no scores; a predicate of positions is kept as one."""
        layout = self.it.layouts[op.results[0]]
        for index, (value, score) in enumerate(zip(op.operands, known, strict=True)):
            if score is not None or splat_of(value) is not None:
                continue
            if index == 0 and function_name(op) == "select" and _fills(op):
                visible = visible_of(value)
                pieces = align_all(layout, visible.atoms.dims) if visible else None
                if visible is not None and pieces is not None:
                    self.it.visible[op] = (visible, pieces)
                    continue
            atoms = atoms_of(value, self.stop)
            pieces = align_all(layout, atoms.dims) if atoms is not None else None
            if atoms is None or atoms.source is None or pieces is None:
                return False
            self.it.loads[op, index] = (atoms, pieces)
        return True

    def _end(self) -> bool:
        """Whether the second contraction takes the weights, over the keys."""
        known = [self._known(v) for v in self.it.value.operands]
        if sum(k is not None for k in known) != 1:
            return False
        self.it.weight = at = 0 if known[0] is not None else 1
        source = known[at]
        assert source is not None
        role, _ = self.roles[source]
        if role not in (WEIGHT, SAFE):
            return False
        self.it.safe = role == SAFE
        layout = self._layout(self.it.value.operands[at], source)
        if layout is None:
            return False
        self.it.layouts[self.it.value.operands[at]] = layout
        side = ("lhs", "rhs")[at]
        over = ints(self.it.value, f"{side}_contracting_dimensions")
        return normal([(n, s, s) for d in over for n, s in layout[d]]) == self.it.keys


def _fills(op: Operation) -> bool:
    """Whether a select puts one number where it does not take the scores."""
    return sum(splat_of(v) is not None for v in op.operands[1:]) == 1
