"""Fold a scale into the activation that consumes it.

    tile.map "multiply" %s, %x {immediate = 0.797};  tile.map "tanh" %t, %s
  becomes
    tile.activate %t, %x {function = "tanh", scale = 0.797}

The scalar engine computes function(scale * x + bias) at the price of the function (hardware.md
3.2), so a multiplication by a number before it is free. It applies when the function has a table,
its operand is a float32 product of a block and an immediate, and it alone reads the product. The
product still rounds to float32, so no bit changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from neuronc.dialects.tile import ActivateOp, MapOp, TileOp, str_of
from neuronc.passes.peephole import (
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
        *("abs", "erf", "exponential", "log", "logistic", "rsqrt"),
        *("sign", "sine", "sqrt", "square", "tanh"),
    )
)
"""Functions with a table on the scalar engine (hardware.md 2.2)."""


@dataclass(frozen=True)
class FuseActivation(ModulePass):
    """function(scale * x) to activate(x, scale)."""

    name = "fuse-activation"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the activations of every kernel."""
        rewrite_kernels(op, _fold)


def _fold(op: TileOp) -> bool:
    if not isinstance(op, MapOp) or len(op.operands) != 2 or not is_float32(op):
        return False
    if str_of(op, "function") not in ACTIVATIONS or "immediate" in op.attributes:
        return False
    maker = producer(op, 1)
    scaled = scalar_form(maker) if maker is not None else None
    if maker is None or scaled is None or str_of(maker, "function") != "multiply":
        return False
    if "immediate" not in scaled[1]:
        return False

    between = op.operands[1]
    slots = {"dst": (op.operands[0], op.accesses[0]), "src": scaled[0]["src"]}
    words = {"function": op.attributes["function"], "scale": scaled[1]["immediate"]}
    put(op, ActivateOp, slots, words)
    erase(maker)
    drop_block(between)
    return True
