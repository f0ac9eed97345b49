"""Ops whose addresses are values."""

from __future__ import annotations

from math import prod

from tests.fuzz.grower import Grower, array
from tests.fuzz.rules_contract import dot_general
from tests.fuzz.rules_reduce import function_region
from tests.fuzz.scope import Scope
from tests.fuzz.values import SIZE_MAX, Type, Value


def dynamic_slice(g: Grower) -> None:
    """A window at a computed place."""
    x = g.pick(lambda v: v.type.rank >= 1, 1, 4)
    sizes = [n if g.chance(2) else g.number(1, n) for n in x.type.shape]
    starts = _starts(g, x.type)
    g.scope.op(
        "dynamic_slice",
        [x, *starts],
        x.type.shaped(sizes),
        f"slice_sizes = {array(sizes)}",
        bound=x.bound,
        exact=x.exact,
    )


def dynamic_update_slice(g: Grower) -> None:
    """A window written at a computed place."""
    x = g.pick(lambda v: v.type.rank >= 1, 1, 4)
    sizes = [n if g.chance(2) else g.number(1, n) for n in x.type.shape]
    update = g.like(x.type.shaped(sizes))
    bound = max(x.bound, update.bound)
    known = x.exact and update.exact
    g.scope.op(
        "dynamic_update_slice", [x, update, *_starts(g, x.type)], x.type, bound=bound, exact=known
    )


def _starts(g: Grower, type_: Type) -> list[Value]:
    """Scalars of one integer type: known counters and constants, or arguments."""
    kind = g.choose(("i32", "i32", "i32", "i64", "ui32", "i8"))
    scalar = Type((), kind)
    known = [v for v in g.scope.values if v.type == scalar and v.exact]
    starts: list[Value] = []
    for n in type_.shape:
        way = g.choose(("known", "zero", "new"))
        if way == "known" and known:
            starts.append(g.choose(known[-4:]))
        elif way == "new":
            starts.append(g.index((), n, kind))
        else:
            number = g.choose((0, 1, 2, n))
            starts.append(g.scope.constant(scalar, str(min(number, 100)), float(number)))
    return starts


def gather(g: Grower) -> None:
    """Windows at many places."""
    x = g.pick(lambda v: v.type.rank >= 1, 1, 4)
    rank = x.type.rank
    indexed = g.subset(range(rank), 1)
    mapped = [indexed[k] for k in g.order(len(indexed))]
    places = g.shape(0, 2, 600)
    vector = g.number(0, len(places))
    implicit = len(indexed) == 1 and g.chance(2)
    shape = list(places)
    if implicit:
        vector = len(places)
    else:
        shape.insert(vector, len(indexed))
    limit = max(x.type.shape[d] for d in indexed)
    indices = g.index(tuple(shape), limit)
    sizes = [
        (1 if g.chance(2) else g.number(1, n)) if d in indexed else n
        for d, n in enumerate(x.type.shape)
    ]
    collapsed = [d for d in range(rank) if sizes[d] == 1 and (d in indexed or g.chance(2))]
    window = [sizes[d] for d in range(rank) if d not in collapsed]
    total = len(places) + len(window)
    offset = sorted(g.order(total)[: len(window)])
    out: list[int] = []
    batch = iter(places)
    parts = iter(window)
    for d in range(total):
        out.append(next(parts) if d in offset else next(batch))
    if prod(out) > SIZE_MAX:
        return
    numbers = (
        f"offset_dims = {offset}, collapsed_slice_dims = {collapsed}, "
        f"start_index_map = {mapped}, index_vector_dim = {vector}"
    )
    g.scope.op(
        "gather",
        [x, indices],
        x.type.shaped(out),
        f"dimension_numbers = #stablehlo.gather<{numbers}>, indices_are_sorted = false, "
        f"slice_sizes = {array(sizes)}",
        bound=x.bound,
        exact=x.exact,
    )


def scatter(g: Grower) -> None:
    """Updates of rows at many places, added, replaced or combined."""
    x = g.pick(lambda v: v.exact and v.type.rank >= 1 and v.type.kind != "i1", 1, 3)
    d = g.number(0, x.type.rank - 1)
    count = g.choose((1, 2, 5, 130, 3))
    window = [n for i, n in enumerate(x.type.shape) if i != d]
    if prod(window) * count > SIZE_MAX:
        return
    updates = g.like(x.type.shaped((count, *window)), exact=True)
    name = g.choose(("", "add", "maximum", "minimum"))
    indices = g.index((count, 1), x.type.shape[d])
    scalar = x.type.shaped(())
    if name:
        region = function_region(g, name, scalar)
    else:
        inner = Scope(g.scope.names)
        pair = [Value(g.scope.names.fresh("r"), scalar, 1.0) for _ in range(2)]
        region, _ = inner.region(pair, [pair[1]])
    numbers = (
        f"update_window_dims = {list(range(1, x.type.rank))}, inserted_window_dims = [{d}], "
        f"scatter_dims_to_operand_dims = [{d}], index_vector_dim = 1"
    )
    bound = x.bound + updates.bound * count if name == "add" else max(x.bound, updates.bound)
    g.scope.op(
        "scatter",
        [x, indices, updates],
        x.type,
        f"scatter_dimension_numbers = #stablehlo.scatter<{numbers}>, "
        "indices_are_sorted = false, unique_indices = false",
        bound=bound,
        regions=region,
    )


def one_hot(g: Grower) -> None:
    """Rows of a table by comparison and contraction, as embeddings are trained."""
    rows, columns, count = g.choose((5, 130)), g.choose(g.dims), g.choose((1, 7, 129))
    table = g.like(Type((rows, min(columns, 300)), "f32"))
    ids = g.index((count,), rows, "i32")
    wide = Type((count, rows), "i32")
    spread = g.repeat(ids, wide, [0])
    numbers = g.scope.op("iota", [], wide, "iota_dimension = 1 : i64", bound=float(rows))
    direction = "comparison_direction = #stablehlo<comparison_direction EQ>"
    hot = g.scope.op("compare", [spread, numbers], wide.of("i1"), direction, bound=1.0)
    ones = g.scope.op("convert", [hot], wide.of("f32"), bound=1.0)
    shape = (count, table.type.shape[1])
    dot_general(g, ones, table, ([], []), ([1], [0]), Type(shape, "f32"), 1)
