"""Loops and branches with bodies of their own, which read values from outside."""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz.grower import Grower
from tests.fuzz.scope import Scope
from tests.fuzz.values import FLOATS, Type, Value, settled

Rules = Callable[[Grower, int, int], None]
"""Appends the ops of so many rules, from a least to a largest number."""
CARRY_BOUND = 8.0


def while_loop(g: Grower, grow: Rules) -> None:
    """A counted loop over one or two carried values."""
    counter = Type((), "i32")
    start = g.scope.constant(counter, "0", 0.0)
    carries = [_carry(g, g.pick(lambda v: v.type.size <= 5000)) for _ in range(g.number(1, 2))]
    steps = g.number(0, 4)
    test = Scope(g.scope.names)
    heads = _arguments(g, counter, carries)
    limit = test.constant(counter, str(steps), 1.0)
    direction = "comparison_direction = #stablehlo<comparison_direction LT>"
    go = test.op("compare", [heads[0], limit], Type((), "i1"), direction, bound=1.0)
    condition, _ = test.region(heads, [go])
    heads = _arguments(g, counter, carries)
    inner = g.inside(g.scope.inner(heads, _captures(g)))
    grow(inner, 1, 8)
    one = inner.scope.constant(counter, "1", 1.0)
    more = inner.scope.op("add", [heads[0], one], counter, bound=1e3)
    results = [more, *(_carried(inner, head) for head in heads[1:])]
    if len(results) == 3 and results[1].type == results[2].type and g.chance(3):
        turned = [results[0], results[2], results[1]]
        if all(r.exact or not c.exact for c, r in zip(carries, turned[1:], strict=True)):
            results = turned
    body, reads = inner.scope.region(heads, results)
    given = [start, *carries]
    g.scope.ops(
        "while",
        given,
        [(v.type, v.bound, v.exact) for v in [more, *carries]],
        regions=f"{condition}, {body}",
        reads=reads,
    )


def _carry(g: Grower, x: Value) -> Value:
    """A float as it enters the loop: within the bound that the body keeps."""
    if x.type.kind not in FLOATS:
        return Value(x.name, x.type, *settled(x.type, 2.0**64, True))
    if x.bound > CARRY_BOUND:
        x = _clamped(g.scope, x)
    return Value(x.name, x.type, CARRY_BOUND, x.exact)


def _clamped(scope: Scope, x: Value) -> Value:
    low = scope.constant(x.type.shaped(()), "-8.0", CARRY_BOUND)
    high = scope.constant(x.type.shaped(()), "8.0", CARRY_BOUND)
    return scope.op("clamp", [low, x, high], x.type, bound=CARRY_BOUND)


def _arguments(g: Grower, counter: Type, carries: list[Value]) -> list[Value]:
    values = [Value(g.scope.names.fresh("i"), counter, 1e3)]
    return values + [Value(g.scope.names.fresh("l"), c.type, c.bound, c.exact) for c in carries]


def _captures(g: Grower) -> list[Value]:
    """Values of the outer block that the body may read."""
    small = [v for v in g.scope.values if v.type.size <= 5000]
    return small[-6:]


def _carried(g: Grower, head: Value) -> Value:
    """What becomes of a carried value: a recent value of its type."""
    found = [
        v for v in reversed(g.scope.values) if v.type == head.type and (v.exact or not head.exact)
    ]
    value = g.choose(found[:4])
    if value.type.kind in FLOATS and value.bound > CARRY_BOUND:
        value = _clamped(g.scope, value)
    return value


def branch(g: Grower, grow: Rules) -> None:
    """if or case, each branch a body of its own."""
    x = g.pick(lambda v: v.type.size <= 5000)
    types = [x.type]
    if g.chance(2):
        types.append(g.pick(lambda v: v.type.size <= 5000).type)
    many = g.chance(2)
    index = g.index((), 3, "i32") if many else g.like(Type((), "i1"), exact=True)
    regions: list[str] = []
    reads: list[str] = []
    ends: list[list[Value]] = []
    for _ in range(3 if many else 2):
        inner = g.inside(g.scope.inner([], [*_captures(g), x]))
        grow(inner, 0, 5)
        results = [inner.like(t) for t in types]
        text, read = inner.scope.region([], results)
        regions.append(text)
        reads += read
        ends.append(results)
    known = [
        (t, max(e[i].bound for e in ends), all(e[i].exact for e in ends))
        for i, t in enumerate(types)
    ]
    g.scope.ops("case" if many else "if", [index], known, regions=", ".join(regions), reads=reads)
