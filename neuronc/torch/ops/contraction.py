"""Products of matrices. They accumulate in float32, add a bias there, and round once."""

from __future__ import annotations

from typing import Any

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, element_of, shape_of
from neuronc.torch.elements import is_float
from neuronc.torch.scope import Scope, opmath
from neuronc.torch.table import Number, aten, higher_order


def product(s: Scope, x: Value, y: Value) -> Value:
    """x[..., M, K] @ y[..., K, N] of equal batch extents, in the wide type."""
    batch = list(range(len(shape_of(x)) - 2))
    last = len(batch)
    kind = opmath(element_of(x))
    return s.b.dot(x, y, (batch, batch), ([last + 1], [last]), kind)


@aten("mm", "bmm")
def mm(s: Scope, x: Value, y: Value) -> Value:
    """x[..., M, K] @ y[..., K, N]."""
    return product(s, x, y)


@aten("dot", "mv")
def dot(s: Scope, x: Value, y: Value) -> Value:
    """x[..., K] @ y[K]."""
    return s.b.dot(x, y, ((), ()), ([len(shape_of(x)) - 1], [0]), opmath(element_of(x)))


@aten("vdot")
def vdot(s: Scope, x: Value, y: Value) -> Value:
    """The conjugate of x[K] @ y[K]."""
    return dot(s, s.b.conjugate(x), y)


@aten("addmm", "baddbmm", "addmv")
def addmm(s: Scope, bias: Value, x: Value, y: Value, beta: Number = 1, alpha: Number = 1) -> Value:
    """Beta bias + alpha x @ y."""
    made = product(s, x, y) if len(shape_of(y)) > 1 else dot(s, x, y)
    made = s.b.multiply(made, s.b.like(alpha, made)) if alpha != 1 else made
    if beta == 0:
        return made
    added = s.b.broadcast(s.b.convert(bias, element_of(made)), s.out.shape)
    added = s.b.multiply(added, s.b.like(beta, added)) if beta != 1 else added
    return s.b.add(made, added)


@aten("addbmm")
def addbmm(s: Scope, bias: Value, x: Value, y: Value, beta: Number = 1, alpha: Number = 1) -> Value:
    """Beta bias + alpha times the sum of x[B, M, K] @ y[B, K, N] over B."""
    made = s.b.dot(x, y, ((), ()), ([0, 2], [0, 1]), opmath(element_of(x)))
    made = s.b.multiply(made, s.b.like(alpha, made)) if alpha != 1 else made
    if beta == 0:
        return made
    added = s.fit(bias, element_of(made))
    return s.b.add(made, s.b.multiply(added, s.b.like(beta, added)))


@aten("linear")
def linear(s: Scope, x: Value, weight: Value, bias: Value | None = None) -> Value:
    """x[..., K] @ weight[N, K].T + bias[N]."""
    contract = [len(shape_of(x)) - 1], [len(shape_of(weight)) - 1]
    made = s.b.dot(x, weight, ((), ()), contract, opmath(element_of(x)))
    if bias is None:
        return made
    return s.b.add(made, s.b.broadcast(s.b.convert(bias, element_of(made)), shape_of(made)))


@aten("matmul")
def matmul(s: Scope, x: Value, y: Value) -> Value:
    """x[..., M, K] @ y[..., K, N] as NumPy's, with vectors and broadcast batches."""
    b, left, right, kind = s.b, shape_of(x), shape_of(y), opmath(element_of(x))
    if len(right) <= 2 or len(left) == 1:
        at = max(len(right) - 2, 0)
        made = b.dot(x, y, ((), ()), ([len(left) - 1], [at]), kind)
        return b.reshape(made, s.out.shape)
    batch = s.out.shape[:-2] if len(left) > 1 else s.out.shape[:-1]
    return product(s, b.broadcast(x, (*batch, *left[-2:])), b.broadcast(y, (*batch, *right[-2:])))


def group_of_row(b: Build, offsets: Value, rows: int) -> Value:
    """one_hot[T, E]: whether row t lies in group e, which ends at offsets[e]."""
    (groups,) = shape_of(offsets)
    row = b.iota((rows, groups), 0, "i32")
    end = b.broadcast(b.convert(offsets, "i32"), (rows, groups))
    before_end = b.compare("LT", row, end)
    zero = b.splat(0, (), "i32")
    starts = b.pad(b.slice_dim(b.convert(offsets, "i32"), 0, 0, groups - 1), zero, [1], [0])
    return b.binary("and", before_end, b.compare("GE", row, b.broadcast(starts, (rows, groups))))


@higher_order("transformers.grouped_mm_fallback.default")
@aten("_grouped_mm", "grouped_mm")
def grouped_mm(
    s: Scope,
    x: Value,
    y: Value,
    offs: Value | None = None,
    bias: Value | None = None,
    out_dtype: object = None,
) -> Value:
    """Row t of x[T, K] times the matrix of its group in y[E, K, N].

    Which rows are of which group is known at run time only, and a program has no extents of then:
    every row meets every group on the tensor engine, and what is of other groups is dropped. Where
    rows are few, as when one token is decoded, each fetches the matrix of its group instead: to
    the accelerator's memory and back, so that it pays for half as many rows as groups.
    """
    if offs is None or len(shape_of(x)) != 2 or len(shape_of(y)) != 3:
        return _grouped_otherwise(s, x, y, offs)
    b, (rows, _), (groups, _, columns) = s.b, shape_of(x), shape_of(y)
    if 2 * rows <= groups:
        return _by_matrix(b, x, y, offs)
    made = b.dot(x, y, ((), ()), ([1], [1]), opmath(element_of(x)))
    mask = group_of_row(b, offs, rows)
    chosen = b.broadcast_in_dim(mask, (rows, groups, columns), [0, 1])
    kept = b.select(chosen, made, b.like(0, made))
    return b.fold("add", kept, 0, [1])


def _by_matrix(b: Build, x: Value, y: Value, offsets: Value) -> Value:
    """Each row of x[T, K] times its own of y[E, K, N]; zero for rows after the last group."""
    (rows, _), (groups, _, columns) = shape_of(x), shape_of(y)
    row = b.iota((rows, groups), 0, "i32")
    ended = b.compare("GE", row, b.broadcast(b.convert(offsets, "i32"), (rows, groups)))
    group = b.fold("add", b.convert(ended, "i32"), 0, [1])
    at = b.reshape(b.binary("minimum", group, b.like(groups - 1, group)), (rows, 1))
    stored, contracted = _as_stored(y)
    sizes = shape_of(stored)[1:]
    own = b.gather(stored, at, (rows, *sizes), [1, 2], [0], [0], [1, *sizes])
    made = b.dot(x, own, ([0], [0]), ([1], [contracted]), opmath(element_of(x)))
    inside = b.compare("LT", group, b.like(groups, group))
    kept = b.broadcast_in_dim(inside, (rows, columns), [0])
    return b.select(kept, made, b.like(0, made))


def _as_stored(y: Value) -> tuple[Value, int]:
    """What a transposed y[E, K, N] was made from, y[E, N, K]; and which dimension is K.

    A matrix that is fetched must not be one of an array that would be transposed as a whole.
    """
    maker: Any = y.owner
    if getattr(maker, "name", "") != "stablehlo.transpose":
        return y, 1
    swapped = list(maker.attributes["permutation"]) == [0, 2, 1]
    return (maker.operands[0], 2) if swapped else (y, 1)


def _grouped_otherwise(s: Scope, x: Value, y: Value, offs: Value | None) -> Value:
    """Groups as a batch; or of the contracted dimension: x[M, K], y[K, N] give [E, M, N]."""
    if offs is None:
        return product(s, x, y)
    b, (m, k), kind = s.b, shape_of(x), opmath(element_of(x))
    assert len(shape_of(y)) == 2
    mask = b.transpose(group_of_row(b, offs, k), [1, 0])
    groups = shape_of(mask)[0]
    kept = b.broadcast_in_dim(x, (groups, m, k), [1, 2])
    chosen = b.broadcast_in_dim(mask, (groups, m, k), [0, 2])
    return b.dot(b.select(chosen, kept, b.like(0, kept)), y, ((), ()), ([2], [0]), kind)


@aten("_cdist_forward")
def cdist(s: Scope, x: Value, y: Value, p: float, mode: int | None = None) -> Value:
    """distance[..., M, N] of the rows of x[..., M, K] and y[..., N, K] in the p-norm."""
    b, batch = s.b, s.out.shape[:-2]
    (m, k), n = shape_of(x)[-2:], shape_of(y)[-2]
    rank, full = len(batch), (*batch, m, n, k)
    xs = b.broadcast(x, (*batch, m, k))
    ys = b.broadcast(y, (*batch, n, k))
    left = b.broadcast_in_dim(xs, full, [*range(rank + 1), rank + 2])
    right = b.broadcast_in_dim(ys, full, [*range(rank), rank + 1, rank + 2])
    return p_norm(b, b.magnitude(b.subtract(left, right)), p, [rank + 2])


def p_norm(b: Build, size: Value, p: float, dims: list[int]) -> Value:
    """The p-norm of what is not negative."""
    if p == 0:
        return b.fold("add", b.convert(b.convert(size, "i1"), element_of(size)), 0, dims)
    if p == float("inf"):
        return b.fold("maximum", size, 0, dims)
    if p == 1:
        return b.fold("add", size, 0, dims)
    if p == 2:
        return b.unary("sqrt", b.fold("add", b.multiply(size, size), 0, dims))
    total = b.fold("add", b.binary("power", size, b.like(p, size)), 0, dims)
    return b.binary("power", total, b.like(1 / p, total))


@aten("_pdist_forward")
def pdist(s: Scope, x: Value, p: float = 2) -> Value:
    """The distances of all pairs of rows of x[N, K], first row first."""
    b, n = s.b, shape_of(x)[0]
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    assert is_float(element_of(x))
    if not pairs:
        return b.splat(0, (0,), element_of(x))
    left, right = ([b.slice_dim(x, 0, pair[k], pair[k] + 1) for pair in pairs] for k in (0, 1))
    apart = b.subtract(b.concatenate(left, 0), b.concatenate(right, 0))
    return p_norm(b, b.unary("abs", apart), p, [1])
