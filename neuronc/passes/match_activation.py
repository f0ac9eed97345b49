"""Find the activations that the scalar engine has as one function, however they are written out.

    %c = multiply %x, %x, %x;  %t = tanh(0.797885 * (%x + 0.044715 * %c));  %y = 0.5 * %x * (1 + %t)
  becomes
    %y = activation.gelu_tanh %x

GELU in three forms, SiLU, logistic, softplus and mish are one pass of the scalar engine instead of
up to ten of the vector engine. A formula counts as one of them if it has the same normal form
(`polynomial.py`): the order of factors and sums does not matter, constants may be rounded to the
type of the program. Widening before it and narrowing after it go too, as every engine computes in
float32 and rounds once. It applies where nothing else reads what lies between: a training step that
keeps the tanh for its gradient would compute it anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import sqrt

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.transforms.dead_code_elimination import region_dce

from neuronc.dialects.activation import ACTIVATION_OPS
from neuronc.dialects.stablehlo.binary import CompareOp, SelectOp
from neuronc.dialects.stablehlo.chlo import ErfcOp, ErfOp
from neuronc.dialects.stablehlo.unary import (
    ConvertOp,
    ExponentialOp,
    LogisticOp,
    TanhOp,
)
from neuronc.dialects.types import element_type, is_tensor, shape_of
from neuronc.numerics.activations import CUBIC, SIGMOID_SCALE, TANH_SCALE
from neuronc.passes.functions import function_name, is_elementwise
from neuronc.passes.polynomial import VALUE, Polynomial, alike, apply, combine, number
from neuronc.passes.rewriting import replace
from neuronc.passes.views import splat_of

DEPTH_MAX = 8
"""Operations from the value to the function in the middle of its activation."""
FOLLOWING_MAX = 10
"""Operations after that."""
_MIDDLES = (TanhOp, ErfOp, ErfcOp, ExponentialOp, LogisticOp)
OPS: Mapping[str, type[Operation]] = {**ACTIVATION_OPS, "logistic": LogisticOp}
"""What is found, by name: each a function of the scalar engine."""
_ROOT = sqrt(0.5)
_ROUNDING = {"f32": 2.0**-24, "bf16": 2.0**-8, "f16": 2.0**-11}
"""Of the types that activations are matched in, the largest relative error of a constant."""


def _scaled(x: Polynomial, by: float) -> Polynomial:
    return x.times(number(by))


def _half(x: Polynomial, distribution: Polynomial) -> Polynomial:
    """0.5 x (1 + distribution)."""
    return _scaled(x, 0.5).times(number(1).plus(distribution))


def _formulas() -> list[tuple[str, Polynomial]]:
    """What the activations are."""
    x, cube = VALUE, VALUE.times(VALUE).times(VALUE)
    bent = _scaled(x.plus(_scaled(cube, CUBIC)), TANH_SCALE)
    soft = apply("log_plus_one", apply("exponential", _scaled(apply("abs", x), -1)))
    curves = [
        apply("logistic", x),
        apply("reciprocal", number(1).plus(apply("exponential", _scaled(x, -1)))),
    ]
    steep = [
        apply("logistic", _scaled(x, SIGMOID_SCALE)),
        apply("reciprocal", number(1).plus(apply("exponential", _scaled(x, -SIGMOID_SCALE)))),
    ]
    soft_plus = apply("relu", x).plus(soft)
    return [
        ("gelu", _half(x, apply("erf", _scaled(x, _ROOT)))),
        ("gelu", _scaled(x, 0.5).times(apply("erfc", _scaled(x, -_ROOT)))),
        ("gelu_tanh", _half(x, apply("tanh", bent))),
        *(("gelu_sigmoid", x.times(curve)) for curve in steep),
        *(("logistic", curve) for curve in curves[1:]),
        *(("silu", x.times(curve)) for curve in curves),
        ("softplus", soft_plus),
        ("mish", x.times(apply("tanh", soft_plus))),
    ]


_FORMULAS: Mapping[str, list[tuple[str, Polynomial]]] = {
    formula.shape: [pair for pair in _formulas() if pair[1].shape == formula.shape]
    for _, formula in _formulas()
}
"""By shape."""


@dataclass(frozen=True)
class MatchActivation(ModulePass):
    """stablehlo to activation."""

    name = "match-activation"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Visit every function, and the control flow inside."""
        middles = [o for o in op.walk() if isinstance(o, _MIDDLES) and is_elementwise(o)]
        if any([middle.parent is not None and _match(middle) for middle in middles]):
            region_dce(op.body)


def _match(middle: Operation) -> bool:
    """Replace what `middle` is in the middle of, the largest there is."""
    found = [match for value in _values(middle) for match in _matches(value, middle)]
    if found:
        _rewrite(max(found, key=lambda match: match.size))
    return bool(found)


def _values(middle: Operation) -> Iterator[SSAValue]:
    """What the activation may be of: the operand, and what it was computed from, farthest last."""
    waiting, seen = [middle.operands[0]], set[SSAValue]()
    while waiting and len(seen) < DEPTH_MAX:
        value = waiting.pop(0)
        if value in seen or splat_of(value) is not None:
            continue
        seen.add(value)
        yield value
        op = value.owner
        if isinstance(op, Operation) and op.parent is middle.parent and is_elementwise(op):
            waiting += [v for v in op.operands if is_tensor(v)]


@dataclass(frozen=True)
class _Found:
    """`root` is an activation of `value`, in so many operations after it."""

    value: SSAValue
    root: Operation
    name: str
    size: int


def _matches(value: SSAValue, middle: Operation) -> Iterator[_Found]:
    """The operations whose results are an activation of `value`."""
    known: dict[SSAValue, Polynomial] = {value: VALUE}
    kind = element_type(value)
    rounding = _ROUNDING.get(kind.name)
    if rounding is None or _form(middle.operands[0], known) is None:
        return
    waiting, after = [middle], set[Operation]()
    while waiting and len(after) < FOLLOWING_MAX:
        op = waiting.pop(0)
        if op in after or op.parent is not middle.parent or len(op.results) != 1:
            continue
        form = _form(op.results[0], known)
        if form is None:
            continue
        after.add(op)
        waiting += [use.operation for use in op.results[0].uses]
        for name, formula in _FORMULAS.get(form.shape, ()):
            if alike(form, formula, rounding) and _is_alone(after - {op}, after):
                yield _Found(value, op, name, len(known))


def _is_alone(between: set[Operation], inside: set[Operation]) -> bool:
    """Whether nothing else reads what will no longer be computed."""
    return all(use.operation in inside for op in between for use in op.results[0].uses)


def _form(value: SSAValue, known: dict[SSAValue, Polynomial]) -> Polynomial | None:
    """The normal form of a value, if it depends on no other one than is known."""
    if value in known:
        return known[value]
    splat = splat_of(value)
    if splat is not None:
        return number(float(splat)) if element_type(value).is_float else None
    op = value.owner
    if isinstance(op, Block) or not is_elementwise(op) or len(known) > 2 * FOLLOWING_MAX:
        return None
    if isinstance(op, SelectOp):
        made = _guarded(op, known)
    else:
        forms = [_form(v, known) for v in op.operands]
        plain = [f for f in forms if f is not None]
        made = combine(function_name(op), plain) if len(plain) == len(forms) else None
    if made is not None:
        known[value] = made
    return made


def _guarded(op: SelectOp, known: dict[SSAValue, Polynomial]) -> Polynomial | None:
    """X != x ? x : f(x), which is f(x): every function here keeps a NaN."""
    test, given, otherwise = op.operands
    compare = test.owner
    if not isinstance(compare, CompareOp) or compare.operands[0] is not compare.operands[1]:
        return None
    if compare.attributes.get("comparison_direction") != StringAttr("NE"):
        return None
    kept = _form(given, known)
    return _form(otherwise, known) if kept == _form(compare.operands[0], known) else None


def _rewrite(found: _Found) -> None:
    """Put the activation in the place of its root, or of the narrowing after it."""
    value, root = found.value, found.root
    wide = value.owner
    users = [use.operation for use in root.results[0].uses]
    if isinstance(wide, ConvertOp) and len(users) == 1 and isinstance(users[0], ConvertOp):
        narrow = wide.operands[0]
        if narrow.type == users[0].results[0].type and element_type(narrow).is_float:
            value, root = narrow, users[0]
    attributes = {k: v for k, v in root.attributes.items() if k == "loc"}
    made = OPS[found.name].create(
        operands=[value], result_types=[root.results[0].type], attributes=attributes
    )
    assert root.parent is not None
    assert shape_of(value) == shape_of(root.results[0])
    root.parent.insert_op_before(made, root)
    replace(root, made.results[0])
