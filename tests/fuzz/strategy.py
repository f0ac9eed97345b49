"""Random programs as a hypothesis strategy."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from hypothesis import strategies as st

from tests.fuzz import (
    rules_contract,
    rules_control,
    rules_elementwise,
    rules_index,
    rules_layout,
    rules_reduce,
)
from tests.fuzz.grower import LARGE, MIDDLE, SMALL, Draw, Grower, NothingFits
from tests.fuzz.scope import Program, Scope, finish
from tests.fuzz.values import Type

Rule = Callable[[Grower], None]

RULES: tuple[Rule, ...] = (
    *[rules_elementwise.binary] * 5,
    *[rules_elementwise.unary] * 4,
    rules_elementwise.compare,
    rules_elementwise.select,
    rules_elementwise.clamp,
    rules_elementwise.logic,
    rules_elementwise.convert,
    *[rules_layout.broadcast] * 2,
    *[rules_layout.reshape] * 2,
    *[rules_layout.transpose] * 2,
    *[rules_layout.slice_] * 2,
    rules_layout.reverse,
    rules_layout.pad,
    rules_layout.concatenate,
    rules_layout.iota,
    rules_layout.barrier,
    rules_layout.bitcast,
    *[rules_reduce.reduce] * 4,
    rules_reduce.argmax,
    rules_reduce.window,
    rules_reduce.cumulative,
    rules_reduce.sort,
    *[rules_contract.dot] * 3,
    rules_contract.convolution,
    rules_contract.softmax,
    rules_contract.normalise,
    rules_contract.attention,
    rules_index.dynamic_slice,
    rules_index.dynamic_update_slice,
    rules_index.gather,
    rules_index.scatter,
    rules_index.one_hot,
)
DEPTH_MAX = 2


def while_loop(g: Grower) -> None:
    """A loop whose body grows by the same rules."""
    rules_control.while_loop(g, grow)


def branch(g: Grower) -> None:
    """A branch whose bodies grow by the same rules."""
    rules_control.branch(g, grow)


LOOPS: tuple[Rule, ...] = (while_loop, branch, while_loop)


def grow(g: Grower, least: int, most: int) -> None:
    """Append the ops of some rules."""
    options = (*RULES, *LOOPS) if g.scope.depth < DEPTH_MAX else RULES
    for rule in g.draw(st.lists(st.sampled_from(options), min_size=least, max_size=most)):
        with suppress(NothingFits):
            rule(g)


@st.composite
def programs(draw: Draw, steps: int = 24) -> Program:
    """A program of up to so many rules; its results are its last value and some others."""
    scope = Scope()
    dims = (
        draw(st.sampled_from(SMALL)),
        draw(st.sampled_from(SMALL + MIDDLE)),
        draw(st.sampled_from(SMALL + MIDDLE + LARGE)),
    )
    floats = draw(st.sampled_from((("f32",), ("f32",), ("f32", "bf16"), ("bf16",), ("f16", "f32"))))
    rare = ("i8", "ui8", "i16", "ui16", "ui32", "i64", "f64", "i4")
    integers = draw(st.sampled_from((("i32",), ("i32",), *(("i32", k) for k in rare))))
    wide = tuple(k for k in integers if k == "f64")
    g = Grower(scope, draw, dims, floats + wide, tuple(k for k in integers if k != "f64"))
    g.fresh(Type(g.shape(1, 3), g.floats[0]))
    grow(g, min(8, steps), steps)
    made = [v for node in scope.nodes for v in node.results]
    results = [made[-1]] if made else [scope.values[-1]]
    for _ in range(draw(st.integers(0, 2))):
        results.append(g.choose(scope.values[::-1]))
    return finish(scope, results)
