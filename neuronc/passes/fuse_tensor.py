"""Fold a scalar function into the tensor function that follows it.

    tile.map "multiply" %s, %x, %column;  tile.map "add" %y, %s, %bias
  becomes
    tile.map_tensor %y, %x, %column, %bias {function0 = "multiply", function1 = "add"}

scalar_tensor_tensor computes (x op0 scalar) op1 tensor at the price of the tensor op alone
(hardware.md 3.2). It applies when both are vector functions of float32 blocks, the first has an
immediate or a column as its other argument, and the second alone reads its result. Each function
still rounds to float32, so no bit changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import IntAttr, ModuleOp
from xdsl.passes import ModulePass

from neuronc.dialects.tile import MapOp, MapTensorOp, TileOp, str_of
from neuronc.passes.peephole import (
    VECTOR_BINARY,
    drop_block,
    erase,
    is_float32,
    producer,
    put,
    rewrite_kernels,
    scalar_form,
)


@dataclass(frozen=True)
class FuseTensor(ModulePass):
    """map(map(x, a), t) to map_tensor(x, a, t)."""

    name = "fuse-tensor"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the pairs of every kernel."""
        rewrite_kernels(op, _fold)


def _fold(op: TileOp) -> bool:
    if not isinstance(op, MapOp) or len(op.operands) != 3 or not is_float32(op):
        return False
    if str_of(op, "function") not in VECTOR_BINARY:
        return False
    for index in (1, 2):
        maker = producer(op, index)
        first = scalar_form(maker) if maker is not None else None
        if maker is None or first is None:
            continue
        other = 3 - index
        slots = {
            "dst": (op.operands[0], op.accesses[0]),
            "src": first[0]["src"],
            "tensor": (op.operands[other], op.accesses[other]),
        }
        if "scalar" in first[0]:
            slots["scalar"] = first[0]["scalar"]
        names = {"function": "function0", "immediate": "immediate", "reverse": "reverse0"}
        words = {names[k]: v for k, v in first[1].items()}
        words |= {"function1": op.attributes["function"], "reverse1": IntAttr(int(index == 2))}
        between = op.operands[index]
        put(op, MapTensorOp, slots, words)
        erase(maker)
        drop_block(between)
        return True
    return False
