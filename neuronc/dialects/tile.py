"""The tile dialect: loops over on-chip blocks; whole-block operations, after tiling.

A kernel's arguments are HBM buffers (tensors), its `tile.alloc`s blocks of SBUF or PSUM. Loops are
rolled, and every operand says with an access how it depends on them. Which engine runs an op, how
it is encoded and at which address a block lives is *not* decided yet.

Each op lists what it writes first; `access` has one entry per operand, in order.
"""

from __future__ import annotations

from typing import cast

from xdsl.dialects.builtin import ArrayAttr, IntAttr, StringAttr
from xdsl.ir import (
    Attribute,
    Block,
    Dialect,
    ParametrizedAttribute,
    Region,
    SSAValue,
    TypeAttribute,
)
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import NoTerminator, SymbolOpInterface
from xdsl.utils.exceptions import VerifyException

from neuronc.dialects.access import AccessAttr


@irdl_attr_definition
class BlockType(ParametrizedAttribute, TypeAttribute):
    """A block on chip: memory ("sbuf" or "psum"), partitions, columns, element type."""

    name = "tile.block"

    memory: StringAttr
    partitions: IntAttr
    columns: IntAttr
    element: StringAttr


@irdl_op_definition
class KernelOp(IRDLOperation):
    """A kernel: HBM buffers in, HBM buffers out (`inputs` counts the former)."""

    name = "tile.kernel"

    body = region_def("single_block")
    traits = traits_def(NoTerminator(), SymbolOpInterface())


@irdl_op_definition
class ForOp(IRDLOperation):
    """Run the body `count` times; accesses in it may use the loop by its depth."""

    name = "tile.for"

    body = region_def("single_block")
    traits = traits_def(NoTerminator())

    @property
    def count(self) -> int:
        """How often the body runs."""
        return int_of(self, "count")

    @staticmethod
    def make(count: int, block: Block) -> ForOp:
        """Build a loop around `block`."""
        return ForOp.create(attributes={"count": IntAttr(count)}, regions=[Region(block)])


@irdl_op_definition
class AllocOp(IRDLOperation):
    """A block on chip, alive while its users are; one per run of the loop around it."""

    name = "tile.alloc"

    block = result_def(BlockType)


class TileOp(IRDLOperation):
    """Base of the ops that touch blocks and buffers."""

    blocks = var_operand_def()

    @property
    def accesses(self) -> tuple[AccessAttr, ...]:
        """One access per operand."""
        return tuple(a for a in array_of(self, "access") if isinstance(a, AccessAttr))

    def verify_(self) -> None:
        """One access per operand."""
        if len(self.accesses) != len(self.operands):
            counts = f"{len(self.operands)} operands, but {len(self.accesses)} accesses"
            raise VerifyException(f"{self.name}: {counts}")


@irdl_op_definition
class DmaOp(TileOp):
    """dst = src, between any two memories; combined by `accumulate` if given."""

    name = "tile.dma"


@irdl_op_definition
class GatherOp(TileOp):
    """dst[i, ...] = src[index[i] + ...]; a negative index skips its row."""

    name = "tile.gather"


@irdl_op_definition
class ScatterOp(TileOp):
    """dst[index[i] + ...] = src[i, ...], combined by `accumulate` if given."""

    name = "tile.scatter"


@irdl_op_definition
class MatMulOp(TileOp):
    """dst[M, N] (+)= stationary[K, M].T @ moving[K, N].

    Overwrites where every loop named in `first` is at its first run (and always if `first` is
    empty); else accumulates. No `first` at all means accumulate always.
    """

    name = "tile.matmul"


@irdl_op_definition
class TransposeOp(TileOp):
    """dst[C, P] = src[P, C].T."""

    name = "tile.transpose"


@irdl_op_definition
class MapOp(TileOp):
    """dst = function(sources...), elementwise.

    With `immediate`, that constant is argument number `immediate_at` of the function.
    """

    name = "tile.map"


@irdl_op_definition
class ActivateOp(TileOp):
    """dst = function(scale * src + bias): a map with what feeds it folded in.

    `slots` names the operands dst, src, and bias and row_sum where it has them.
    """

    name = "tile.activate"


@irdl_op_definition
class MapPairOp(TileOp):
    """dst = function1(function0(src, a), b): two maps with scalar arguments, in one.

    `slots` names the operands dst, src, and scalar0, scalar1 where they are no immediates.
    """

    name = "tile.map_pair"


@irdl_op_definition
class MapTensorOp(TileOp):
    """dst = function1(function0(src, a), tensor): a map with a scalar, then one with a block.

    `slots` names the operands dst, src, tensor, and scalar where it is no immediate.
    """

    name = "tile.map_tensor"


@irdl_op_definition
class CastOp(TileOp):
    """dst = src, converted to the element type of dst."""

    name = "tile.cast"


@irdl_op_definition
class ReduceOp(TileOp):
    """dst = src reduced by `function` over its `axes` last free dimensions."""

    name = "tile.reduce"


@irdl_op_definition
class FillOp(TileOp):
    """dst = value."""

    name = "tile.fill"


@irdl_op_definition
class IotaOp(TileOp):
    """dst[p, i...] = base + p * partition_step + sum(i * steps)."""

    name = "tile.iota"


@irdl_op_definition
class LibraryOp(TileOp):
    """Run the library function `function` with `params` on whole buffers."""

    name = "tile.library"


def int_of(op: IRDLOperation, name: str) -> int:
    """Read an integer attribute."""
    return integer_in(op.attributes[name])


def integer_in(attribute: Attribute) -> int:
    """The number that an integer attribute holds."""
    assert isinstance(attribute, IntAttr)
    return cast("IntAttr[int]", attribute).data


def array_of(op: IRDLOperation, name: str) -> tuple[Attribute, ...]:
    """Read an array attribute."""
    attribute = op.attributes[name]
    assert isinstance(attribute, ArrayAttr)
    return tuple(cast("ArrayAttr[Attribute]", attribute))


def str_of(op: IRDLOperation, name: str, default: str = "") -> str:
    """Read a string attribute, or `default` where it is absent."""
    attribute = op.attributes.get(name)
    return attribute.data if isinstance(attribute, StringAttr) else default


def block_type(value: SSAValue) -> BlockType | None:
    """The type of a block on chip, or None for an HBM buffer."""
    return value.type if isinstance(value.type, BlockType) else None


TILE_OPS: tuple[type[TileOp], ...] = (
    DmaOp,
    GatherOp,
    ScatterOp,
    MatMulOp,
    TransposeOp,
    MapOp,
    ActivateOp,
    MapPairOp,
    MapTensorOp,
    CastOp,
    ReduceOp,
    FillOp,
    IotaOp,
    LibraryOp,
)
TILE = Dialect("tile", [KernelOp, ForOp, AllocOp, *TILE_OPS], [BlockType, AccessAttr])
