"""The machine dialect: one op, an instruction on an engine, inside the loops of the tile dialect.

`machine.issue "TensorTensor"` names a class of the instruction table, the engine whose queue it
joins, and its plain words; operands and accesses are those of the tile op it came from, with
`slots` naming the operand field each fills. Addresses are decided by `allocate`, which marks the
`tile.alloc`s with `start` and `buffers`.
"""

from __future__ import annotations

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Dialect
from xdsl.irdl import irdl_op_definition
from xdsl.utils.exceptions import VerifyException

from neuronc.dialects.tile import TileOp, array_of, str_of
from neuronc.isa import instructions as _instructions
from neuronc.isa.table import Engine, by_name


@irdl_op_definition
class IssueOp(TileOp):
    """One instruction record per run of the loops around it."""

    name = "machine.issue"

    @property
    def slots(self) -> tuple[str, ...]:
        """The operand field that each operand fills."""
        return tuple(a.data for a in array_of(self, "slots") if isinstance(a, StringAttr))

    def verify_(self) -> None:
        """The instruction exists, its engine runs it, and its operand fields are filled."""
        super().verify_()
        cls = by_name(str_of(self, "instruction"))
        engine = Engine[str_of(self, "engine")]
        if engine not in cls.engines:
            raise VerifyException(f"{cls.__name__} does not run on the {engine.name} engine")
        required = {name for name, slot in cls.slots.items() if not slot.optional}
        if not required <= set(self.slots) <= set(cls.slots):
            raise VerifyException(f"{cls.__name__} takes {list(cls.slots)}, got {self.slots}")


MACHINE = Dialect("machine", [IssueOp], [])
assert _instructions.MatMul.opcode
