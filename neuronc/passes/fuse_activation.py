"""Fold a scale and a bias into the activation that consumes them.

    tile.map "multiply" %s, %x {immediate = 0.797};  tile.map "tanh" %t, %s
  becomes
    tile.activate %t, %x {function = "tanh", scale = 0.797}

    tile.map "add" %s, %x, %column;  tile.map "tanh" %t, %s
  becomes
    tile.activate %t, %x, %column {function = "tanh", slots = ["dst", "src", "bias"]}

The scalar engine computes function(scale * x + bias) at the price of the function (hardware.md
3.2), so a multiplication by a number and the sum with a column before it are free. It applies when
the function has a table, its operand is a float32 product of a block and an immediate or a sum of a
block and a column, in this order or the sum alone, and it alone reads them. Products and sums still
round to float32, so no bit changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import FloatAttr, ModuleOp, f64
from xdsl.ir import Attribute, SSAValue
from xdsl.passes import ModulePass

from neuronc.dialects.tile import ActivateOp, MapOp, TileOp, str_of
from neuronc.passes.peephole import (
    Slots,
    drop_block,
    erase,
    is_float32,
    producer,
    put,
    rewrite_kernels,
    scalar_form,
)

ACTIVATIONS = frozenset(
    (
        *("abs", "erf", "exponential", "gelu", "gelu_sigmoid", "gelu_tanh", "log", "logistic"),
        *("mish", "rsqrt", "sign", "silu", "sine", "softplus", "sqrt", "square", "tanh"),
    )
)
"""Functions with a table on the scalar engine (hardware.md 2.2)."""


@dataclass(frozen=True)
class FuseActivation(ModulePass):
    """function(scale * x + bias) to activate(x, scale, bias)."""

    name = "fuse-activation"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the activations of every kernel."""
        rewrite_kernels(op, _fold)


def _fold(op: TileOp) -> bool:
    if not isinstance(op, MapOp) or len(op.operands) != 2 or not is_float32(op):
        return False
    if str_of(op, "function") not in ACTIVATIONS or "immediate" in op.attributes:
        return False
    function = op.attributes["function"]
    words: dict[str, Attribute] = {"function": function, "scale": FloatAttr(1.0, f64)}
    slots: Slots = {"src": (op.operands[1], op.accesses[1])}
    between: list[tuple[SSAValue, MapOp]] = []
    maker, form = _made(op, 1)
    if maker is not None and form is not None and _adds_column(maker, form):
        between.append((slots["src"][0], maker))
        slots |= {"src": form[0]["src"], "bias": form[0]["scalar"]}
        maker, form = _made(maker, [*maker.operands].index(form[0]["src"][0]))
    if maker is not None and form is not None and _scales(maker, form):
        between.append((slots["src"][0], maker))
        slots["src"] = form[0]["src"]
        words["scale"] = form[1]["immediate"]
    if not between:
        return False
    put(op, ActivateOp, {"dst": (op.operands[0], op.accesses[0]), **slots}, words)
    for value, made in between:
        erase(made)
        drop_block(value)
    return True


_Form = tuple[Slots, dict[str, Attribute]]


def _made(op: TileOp, index: int) -> tuple[MapOp | None, _Form | None]:
    """What made an operand, and that as a function of a block and a scalar."""
    maker = producer(op, index)
    return maker, scalar_form(maker) if maker is not None else None


def _adds_column(op: MapOp, form: _Form) -> bool:
    return str_of(op, "function") == "add" and "scalar" in form[0]


def _scales(op: MapOp, form: _Form) -> bool:
    return str_of(op, "function") == "multiply" and "immediate" in form[1]
