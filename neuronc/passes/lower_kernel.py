"""Lower one `program.kernel` to a `tile.kernel`, each kind by its own lowering.

A kernel's buffers are its inputs, then its outputs. Where the first output is tied to the first
input (an update in place) both name the same buffer at run time, and the kernel only writes what
changes. Loads that several blocks need alike are shared, unless the kernel's `loads_stay` says that
there is no room for it.
"""

from __future__ import annotations

from xdsl.dialects.builtin import ArrayAttr, IntAttr, StringAttr
from xdsl.ir import Attribute, Block, Operation, Region

from neuronc.dialects.program import KernelOp as ProgramKernel
from neuronc.dialects.tile import KernelOp
from neuronc.hardware import Generation
from neuronc.passes.body import Body
from neuronc.passes.builder import Builder
from neuronc.passes.hoist_loads import hoist_loads
from neuronc.passes.tile_attention_forms import lower_attention
from neuronc.passes.tile_block import lower_block
from neuronc.passes.tile_contract import ContractLowering
from neuronc.passes.tile_index import lower_index
from neuronc.passes.tile_library import lower_library
from neuronc.passes.tile_map import MapLowering
from neuronc.passes.tile_move import lower_move

LOADS_STAY = "loads_stay"
"""Attribute of a kernel that does not fit when blocks stay on chip for several readers."""


def lower_kernel(kernel: ProgramKernel, hw: Generation) -> KernelOp:
    """Tile one kernel."""
    source = kernel.body.block
    last = source.last_op
    assert last is not None
    types = [*(a.type for a in source.args), *(v.type for v in last.operands)]
    block = Block(arg_types=types)
    inputs = len(source.args)
    body = Body(
        source,
        dict(zip(source.args, block.args[:inputs], strict=True)),
        tuple(block.args[inputs:]),
    )
    builder = Builder(block)
    _lower(_kind(kernel), body, builder, hw)
    attributes: dict[str, Attribute] = {**kernel.attributes, "inputs": IntAttr(inputs)}
    if builder.tilings:
        attributes["tilings"] = ArrayAttr([StringAttr(text) for text in builder.tilings])
    made = KernelOp.create(attributes=attributes, regions=[Region(block)])
    if LOADS_STAY not in kernel.attributes:
        hoist_loads(made, hw)
    return made


def _lower(kind: str, body: Body, builder: Builder, hw: Generation) -> None:
    match kind:
        case "map":
            MapLowering(body, builder, hw).run()
        case "contract":
            ContractLowering(body, builder, hw).run()
        case "attention":
            lower_attention(body, builder, hw)
        case "move":
            lower_move(body, builder, hw)
        case "index":
            lower_index(body, builder, hw)
        case "block":
            lower_block(body, builder, hw, _lower)
        case _:
            lower_library(body, builder)


def _kind(kernel: Operation) -> str:
    kind = kernel.attributes["kind"]
    assert isinstance(kind, StringAttr)
    return kind.data
