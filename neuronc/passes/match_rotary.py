"""Rotary embeddings without moving a byte: the swapped halves become a view, their sign a table.

    %r = concatenate(negate(%x[..., h:]), %x[..., :h]);  %y = %x * cos + %r * sin
  becomes
    %x2 = reshape %x [..., 2, h];  %r2 = reverse %x2 over the 2        (both only views)
    %y = reshape(%x2 * cos2 + %r2 * (sin2 * [-1, 1]))

A concatenate is a kernel of its own, with short runs; now the whole embedding is one elementwise
kernel. So is the other way to write it,

    %y = concatenate(%x0 * cos - %x1 * sin, %x1 * cos + %x0 * sin)

It applies to a concatenate of two such views of one value, of which one may be negated if only
products read it. The sign is exact wherever it stands, so no bit changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.transforms.dead_code_elimination import region_dce

from neuronc.dialects.stablehlo.binary import AddOp, MultiplyOp, SubtractOp
from neuronc.dialects.stablehlo.movement import (
    BroadcastInDimOp,
    ConcatenateOp,
    IotaOp,
    ReshapeOp,
    ReverseOp,
)
from neuronc.dialects.stablehlo.unary import ConvertOp, NegateOp
from neuronc.dialects.types import element_type, shape_of, tensor
from neuronc.dtypes import BY_NAME, ElementType
from neuronc.passes.attributes import integer, ints
from neuronc.passes.functions import is_elementwise
from neuronc.passes.rewriting import Before, replace
from neuronc.passes.views import View, dense, is_view_op, view_of

_SINKING = (AddOp, ConvertOp, MultiplyOp, SubtractOp)
"""What may follow an embedding's halves and still belong to it."""
Shape = tuple[int, ...]


@dataclass(frozen=True)
class MatchRotary(ModulePass):
    """concatenate of swapped halves to views."""

    name = "match-rotary"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Visit every concatenate."""
        tables = _Tables()
        found = [o for o in op.walk() if isinstance(o, ConcatenateOp) and len(o.operands) == 2]
        if any([_match(o, tables) for o in found]):
            region_dce(op.body)


@dataclass(frozen=True)
class _Swap:
    """The two parts are `value` reshaped to `shape`, backwards along its dimension `at` of 2."""

    value: SSAValue
    shape: Shape
    at: int

    def emit(self, b: Before, shape: Shape) -> tuple[SSAValue, SSAValue]:
        """The value as it is, and with its halves swapped, both with the parts apart."""
        split = b.reshape(self.value, self.shape)
        kind = tensor(self.shape, element_type(self.value))
        swapped = b.add(ReverseOp, [split], [kind], {"dimensions": [self.at]})
        return b.reshape(split, shape), b.reshape(swapped, shape)


_Key = tuple[SSAValue, int, tuple[int, int], bool]


@dataclass
class _Tables:
    """Factors with the parts apart, and their sign; shared by all embeddings that read them."""

    made: dict[_Key, SSAValue] = field(default_factory=dict[_Key, SSAValue])

    def signed(self, value: SSAValue, at: int, signs: tuple[int, int], halves: bool) -> SSAValue:
        """`value` in two parts along dimension `at`, times the sign of each.

        The parts are its halves, or else each all of it. What is broadcast takes its sign before.
        """
        key = (value, at, signs, halves)
        if key not in self.made:
            self.made[key] = self._make(*key)
        return self.made[key]

    def _make(self, value: SSAValue, at: int, signs: tuple[int, int], halves: bool) -> SSAValue:
        b, op, kind = _after(value), value.owner, element_type(value)
        shape = _split(shape_of(value), at) if halves else _doubled(shape_of(value), at)
        if isinstance(op, ConvertOp) and element_type(op.operands[0]).is_float:
            made = self.signed(op.operands[0], at, signs, halves)
            return b.add(ConvertOp, [made], [tensor(shape, kind)])
        if isinstance(op, BroadcastInDimOp) and at in ints(op, "broadcast_dimensions"):
            source, to = op.operands[0], ints(op, "broadcast_dimensions")
            inner = to.index(at)
            if shape_of(source)[inner] == shape_of(value)[at]:
                moved = [d + (d > at) for d in to]
                moved.insert(inner + 1, at + 1)
                return b.broadcast(self.signed(source, inner, signs, halves), shape, moved)
        kept = [d for d in range(len(shape)) if d != at]
        apart = b.reshape(value, shape) if halves else b.broadcast(value, shape, kept)
        return (
            apart
            if signs == (1, 1)
            else b.elementwise("multiply", apart, _sign(b, kind, shape, at, signs))
        )


def _sign(b: Before, kind: ElementType, shape: Shape, at: int, signs: tuple[int, int]) -> SSAValue:
    """The sign of each part, counted and not stored: an engine makes it in place."""
    number = tensor(shape, BY_NAME["i32"])
    part = b.add(IotaOp, [], [number], {"iota_dimension": at})
    value = b.add(ConvertOp, [part], [tensor(shape, kind)])
    scaled = b.elementwise("multiply", value, b.splat(signs[1] - signs[0], shape, kind))
    return b.elementwise("add", scaled, b.splat(signs[0], shape, kind))


def _match(op: Operation, tables: _Tables) -> bool:
    op.operands = _before_views(op)
    return _match_halves(op, tables) or _match_products(op, tables)


def _before_views(op: Operation) -> list[SSAValue]:
    """The operands; what only gets another shape after elementwise ops is computed in that."""
    known: dict[tuple[SSAValue, Shape], SSAValue] = {}
    return [_reshaped(Before(op), _unshaped(v), shape_of(v), known) for v in op.operands]


def _unshaped(value: SSAValue) -> SSAValue:
    """What a value is a reshape of, whichever op that is; or the value itself."""
    op = value.owner
    if isinstance(op, BroadcastInDimOp):
        to = ints(op, "broadcast_dimensions")
        ordered = to == sorted(to) and prod(shape_of(op.operands[0])) == prod(shape_of(value))
        return op.operands[0] if ordered else value
    return op.operands[0] if isinstance(op, ReshapeOp) else value


def _reshaped(
    b: Before, value: SSAValue, shape: Shape, known: dict[tuple[SSAValue, Shape], SSAValue]
) -> SSAValue:
    """A value in another shape, and what it is computed from too."""
    op, key = value.owner, (value, shape)
    if shape_of(value) == shape or key in known:
        return known.get(key, value)
    if isinstance(op, (NegateOp, *_SINKING)) and value.has_one_use():
        operands = [_reshaped(b, v, shape, known) for v in op.operands]
        known[key] = b.add(type(op), operands, [tensor(shape, element_type(value))])
    else:
        known[key] = b.reshape(value, shape)
    return known[key]


def _match_halves(op: Operation, tables: _Tables) -> bool:
    """A concatenate of two views, of which one may be negated."""
    low, high = (-1 if isinstance(v.owner, NegateOp) else 1 for v in op.operands)
    parts = [v.owner.operands[0] if isinstance(v.owner, NegateOp) else v for v in op.operands]
    at = integer(op, "dimension")
    swap = _swap(parts, at)
    if swap is None or not _is_multiplied(op.results[0]):
        return False
    for user in [use.operation for use in op.results[0].uses]:
        if isinstance(user, ReshapeOp):
            _sink(user, op.results[0])
    users = [u.operation for u in op.results[0].uses if isinstance(u.operation, MultiplyOp)]
    shape = _split(shape_of(op.results[0]), at)
    _, swapped = swap.emit(Before(op), shape)
    for user in users:
        other = next(v for v in user.operands if v is not op.results[0])
        table = tables.signed(other, at, (low, high), True)
        _sink(user, Before(user).elementwise("multiply", swapped, table))
    return True


def _is_multiplied(value: SSAValue) -> bool:
    """Whether products with something else read a value, through reshapes, and nothing besides."""
    users = [use.operation for use in value.uses]
    return bool(users) and all(
        _is_multiplied(u.results[0])
        if isinstance(u, ReshapeOp)
        else isinstance(u, MultiplyOp) and u.operands[0] is not u.operands[1]
        for u in users
    )


def _match_products(op: Operation, tables: _Tables) -> bool:
    """x0 c - x1 s beside x1 c + x0 s."""
    first, second = (v.owner for v in op.operands)
    if not (isinstance(first, SubtractOp) and isinstance(second, AddOp)):
        return False
    factors = [[*map(_factors, side.operands)] for side in (first, second)]
    for (a, b), (c, d) in ((factors[0], factors[1]), (factors[0], factors[1][::-1])):
        for found in _pairings(a, b, c, d):
            low, high, cosine, sine = found
            swap = _swap([high, low], integer(op, "dimension"))
            if swap is not None:
                _emit_products(op, swap, tables, cosine, sine)
                return True
    return False


def _factors(value: SSAValue) -> tuple[SSAValue, ...]:
    return tuple(value.owner.operands) if isinstance(value.owner, MultiplyOp) else ()


def _pairings(
    a: tuple[SSAValue, ...],
    b: tuple[SSAValue, ...],
    c: tuple[SSAValue, ...],
    d: tuple[SSAValue, ...],
) -> list[tuple[SSAValue, SSAValue, SSAValue, SSAValue]]:
    """(x0, x1, cosine, sine) so that a = x0 c, b = x1 s, c = x1 c, d = x0 s, factors either way."""
    found: list[tuple[SSAValue, SSAValue, SSAValue, SSAValue]] = []
    for low, cosine in (a, a[::-1]) if len(a) == 2 else ():
        for high, sine in (b, b[::-1]) if len(b) == 2 else ():
            if {*c} == {high, cosine} and {*d} == {low, sine}:
                found.append((low, high, cosine, sine))
    return found


def _emit_products(
    op: Operation, swap: _Swap, tables: _Tables, cosine: SSAValue, sine: SSAValue
) -> None:
    b, at = Before(op), integer(op, "dimension")
    whole = shape_of(op.results[0])
    plain, swapped = swap.emit(b, _split(whole, at))
    products = [
        b.elementwise("multiply", x, tables.signed(factor, at, signs, False))
        for x, factor, signs in ((plain, cosine, (1, 1)), (swapped, sine, (-1, 1)))
    ]
    replace(op, b.reshape(b.elementwise("add", *products), whole))


def _sink(op: Operation, value: SSAValue) -> None:
    """Replace `op` by `value`, its result in another shape, and go on with what reads it."""
    whole = shape_of(op.results[0])
    users = [use.operation for use in op.results[0].uses]
    replace(op, Before(op).reshape(value, whole))
    for user in dict.fromkeys(users):
        if isinstance(user, _SINKING) and shape_of(user.results[0]) == whole:
            b = Before(user)
            operands = [_apart(b, v, shape_of(value)) for v in user.operands]
            kind = tensor(shape_of(value), element_type(user.results[0]))
            made = type(user).create(
                operands=operands, result_types=[kind], attributes=dict(user.attributes)
            )
            assert user.parent is not None
            user.parent.insert_op_before(made, user)
            _sink(user, made.results[0])


def _apart(b: Before, value: SSAValue, shape: Shape) -> SSAValue:
    """A value in another shape; a product that nothing else reads is computed so."""
    op = value.owner
    if isinstance(op, ReshapeOp) and shape_of(op.operands[0]) == shape:
        return op.operands[0]
    if isinstance(op, MultiplyOp) and value.has_one_use() and is_elementwise(op):
        return b.elementwise("multiply", *(_apart(b, v, shape) for v in op.operands))
    return b.reshape(value, shape)


def _split(shape: Shape, at: int) -> Shape:
    return (*shape[:at], 2, shape[at] // 2, *shape[at + 1 :])


def _doubled(shape: Shape, at: int) -> Shape:
    return (*shape[:at], 2, *shape[at:])


def _after(value: SSAValue) -> Before:
    """Right after a value is made."""
    op = value.owner
    following = op.first_op if isinstance(op, Block) else op.next_op
    assert following is not None
    return Before(following)


def _swap(parts: Sequence[SSAValue], at: int) -> _Swap | None:
    """The value of which the parts are the second and the first half, or the odd and the even."""
    source = _common(parts)
    if source is None or shape_of(parts[0]) != shape_of(parts[1]):
        return None
    wanted = [view_of(v, lambda v: v is source) for v in parts]
    part = shape_of(parts[0])
    shape = (*part[:at], 2, *part[at:])
    size = shape_of(source)
    for d, n in enumerate(size):
        if n % 2 or n == 0:
            continue
        halves, pairs = _split(size, d), (*size[:d], n // 2, 2, *size[d + 1 :])
        for inner, axis in ((halves, d), (pairs, d + 1)):
            whole = dense(source, size).reshaped(inner)
            assert whole is not None
            seen = whole.transformed(lambda a, axis=axis: np.flip(a, axis)).reshaped(shape)
            if seen is not None and _same(seen, wanted, at):
                return _Swap(source, inner, axis)
    return None


def _same(seen: View, wanted: Sequence[View | None], at: int) -> bool:
    """Whether the parts of a view along `at` are those wanted."""
    index = (slice(None),) * at
    parts = [seen.transformed(lambda a, i=i: a[(*index, i)]) for i in range(2)]
    return all(
        w is not None and (p.offset, p.strides) == (w.offset, w.strides)
        for p, w in zip(parts, wanted, strict=True)
    )


def _common(parts: Sequence[SSAValue]) -> SSAValue | None:
    """The nearest value of which both are views."""
    first, second = (_chain(v) for v in parts)
    return next((v for v in first[1:] if v in second[1:]), None)


def _chain(value: SSAValue) -> list[SSAValue]:
    chain = [value]
    while isinstance(chain[-1].owner, Operation) and is_view_op(chain[-1].owner):
        chain.append(chain[-1].owner.operands[0])
    return chain
