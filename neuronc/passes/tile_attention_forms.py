"""Choose how an attention is tiled: a tile of queries at a time, several heads, or all at once."""

from __future__ import annotations

from xdsl.ir import BlockArgument, SSAValue

from neuronc.dialects.stablehlo.contraction import DotGeneralOp
from neuronc.hardware import Generation
from neuronc.passes.attention import Attention
from neuronc.passes.attention_cost import Cost
from neuronc.passes.attention_plan import make_plan
from neuronc.passes.attention_short_plan import choose_group
from neuronc.passes.attention_space import Space, space_of
from neuronc.passes.body import Body
from neuronc.passes.builder import Builder
from neuronc.passes.read_attention import read_attention
from neuronc.passes.tile_attention import AttentionLowering
from neuronc.passes.tile_attention_query import QueryLowering
from neuronc.passes.tile_attention_query_cost import query_form_seconds, tile_form_seconds
from neuronc.passes.tile_attention_query_plan import QueryPlan, query_plans
from neuronc.passes.tile_attention_short import ShortAttention


def lower_attention(body: Body, builder: Builder, hw: Generation) -> None:
    """Emit one attention kernel."""
    it, space = _read(body)
    queries = chosen_plan(space, it, hw)
    if queries is not None:
        QueryLowering(body, builder, hw, it, space, queries).run()
        return
    plan = make_plan(space, it, hw)
    group = choose_group(space, it, plan, hw)
    if group is not None:
        ShortAttention(body, builder, hw, (it, space, plan), group).run()
    else:
        AttentionLowering(body, builder, hw, (it, space, plan)).run()


def _read(body: Body) -> tuple[Attention, Space]:
    """The attention that a kernel holds, and its space."""
    order = {op: i for i, op in enumerate(body.block.ops)}
    found = (
        read_attention(op, order, _is_argument) for op in order if isinstance(op, DotGeneralOp)
    )
    it = next(a for a in found if a is not None)
    space = space_of(it, body.yielded[0], _is_argument)
    assert space is not None, "what was matched outside is the same inside"
    return it, space


def chosen_plan(space: Space, it: Attention, hw: Generation) -> QueryPlan | None:
    """The cheapest plan of all heads at once; None where a tile of queries at a time is cheaper."""
    costs = {p: query_form_seconds(space, it, p, hw) for p in query_plans(space, it, hw)}
    best = min(costs, key=costs.__getitem__, default=None)
    if best is None:
        return None
    plan = make_plan(space, it, hw)
    group = choose_group(space, it, plan, hw)
    other = tile_form_seconds(space, it, hw)
    if group is not None:
        other = Cost(space, it, plan, hw).several(group)
    return best if costs[best] < other else None


def _is_argument(value: SSAValue) -> bool:
    return isinstance(value, BlockArgument)
