"""Apply two scalar functions in one pass over a block.

    tile.map "multiply" %s, %x {immediate = 0.5};  tile.map "add" %y, %s {immediate = 1.0}
  becomes
    tile.map_pair %y, %x {function0 = "multiply", immediate0 = 0.5, function1 = "add", ...}

The vector engine's tensor_scalar applies two functions at the price of one (hardware.md 3.2), so
this halves the time of the pair and saves a block. It applies when both are vector functions of
float32 blocks with an immediate or a column as their other argument, and the second alone reads
the first's result. Each function still rounds to float32, so no bit changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from neuronc.dialects.tile import MapOp, MapPairOp, TileOp
from neuronc.passes.peephole import drop_block, erase, producer, put, rewrite_kernels, scalar_form


@dataclass(frozen=True)
class FuseScalars(ModulePass):
    """map(map(x, a), b) to map_pair(x, a, b)."""

    name = "fuse-scalars"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the pairs of every kernel."""
        rewrite_kernels(op, _pair)


def _pair(op: TileOp) -> bool:
    second = scalar_form(op) if isinstance(op, MapOp) else None
    if second is None:
        return False
    slots, words = second
    maker = producer(op, [*op.operands].index(slots["src"][0]))
    first = scalar_form(maker) if maker is not None else None
    if maker is None or first is None:
        return False

    merged = {"dst": slots["dst"], "src": first[0]["src"]}
    if "scalar" in first[0]:
        merged["scalar0"] = first[0]["scalar"]
    if "scalar" in slots:
        merged["scalar1"] = slots["scalar"]
    named = {f"{k}0": v for k, v in first[1].items()} | {f"{k}1": v for k, v in words.items()}
    between = slots["src"][0]
    put(op, MapPairOp, merged, named)
    erase(maker)
    drop_block(between)
    return True
