"""How an instruction is described: one class with annotated words; everything else derives from it.

A record is 64 bytes of header and words, then one 64-byte word per operand. The header holds the
opcode, the index into the debug map, and for every engine the progress count to wait for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, ClassVar, dataclass_transform, get_args, get_type_hints

import numpy as np

from neuronc.hardware import Generation
from neuronc.isa.operands import OPERAND, Memory, Operand


class Engine(IntEnum):
    """The in-order instruction streams of one core."""

    TENSOR = 0
    VECTOR = 1
    SCALAR = 2
    GPSIMD = 3
    DMA_IN = 4
    """The queue that mostly brings operands from HBM."""
    DMA_OUT = 5
    """The queue that mostly writes results to HBM."""


ENGINES = tuple(Engine)
DMA_QUEUES = (Engine.DMA_IN, Engine.DMA_OUT)
WORDS_OFFSET = 32
OPERANDS_OFFSET = 64

HEADER = np.dtype(
    [("opcode", "u1"), ("reserved", "u1", 3), ("source", "<u4"), ("waits", "<u4", len(ENGINES))]
)


@dataclass(frozen=True)
class Word:
    """A plain field of an instruction: its NumPy type, and the table its codes come from."""

    format: str
    codes: str = ""


@dataclass(frozen=True)
class Slot:
    """An operand field: where the operand may live, and whether it is read or written."""

    memories: tuple[Memory, ...]
    written: bool = False
    optional: bool = False


U8 = Annotated[int, Word("u1")]
U32 = Annotated[int, Word("<u4")]
I32 = Annotated[int, Word("<i4")]
I64 = Annotated[int, Word("<i8")]
F32 = Annotated[float, Word("<f4")]
F64 = Annotated[float, Word("<f8")]
Function = Annotated[int, Word("u1", codes="function")]
"""The code of a row of `numerics`; 0 is none."""

_CHIP = (Memory.SBUF, Memory.PSUM)
_ANY = (Memory.SBUF, Memory.PSUM, Memory.HBM)
Sbuf = Annotated[Operand, Slot((Memory.SBUF,))]
Chip = Annotated[Operand, Slot(_CHIP)]
OptionalChip = Annotated[Operand | None, Slot(_CHIP, optional=True)]
Address = Annotated[Operand, Slot(_ANY)]
PsumOut = Annotated[Operand, Slot((Memory.PSUM,), written=True)]
ChipOut = Annotated[Operand, Slot(_CHIP, written=True)]
OptionalChipOut = Annotated[Operand | None, Slot(_CHIP, written=True, optional=True)]
AddressOut = Annotated[Operand, Slot(_ANY, written=True)]


class Instruction:
    """Base of all instructions; subclasses are frozen dataclasses made by `instruction`."""

    opcode: ClassVar[int]
    engines: ClassVar[tuple[Engine, ...]]
    slots: ClassVar[dict[str, Slot]]
    words: ClassVar[dict[str, Word]]
    layout: ClassVar[np.dtype]

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """Time each record of `rows` (dtype `layout`) occupies its engine, in seconds."""
        raise NotImplementedError


INSTRUCTIONS: dict[int, type[Instruction]] = {}


@dataclass_transform(frozen_default=True)
def instruction(
    opcode: int, engines: tuple[Engine, ...]
) -> Callable[[type[Instruction]], type[Instruction]]:
    """Enter a class into the table and derive the layout of its record."""

    def enter(cls: type[Instruction]) -> type[Instruction]:
        cls = dataclass(frozen=True)(cls)
        cls.opcode, cls.engines = opcode, engines
        cls.words, cls.slots = _split(cls)
        cls.layout = _layout(cls)
        assert opcode not in INSTRUCTIONS, f"opcode {opcode:#x} is taken"
        INSTRUCTIONS[opcode] = cls
        return cls

    return enter


def by_name(name: str) -> type[Instruction]:
    """Return the instruction class called `name`."""
    return _NAMES[name] if name in _NAMES else _names()[name]


def record_bytes(engine: Engine) -> int:
    """Size of a record in the stream of `engine`: room for its widest instruction."""
    widest = max(len(c.slots) for c in INSTRUCTIONS.values() if engine in c.engines)
    return OPERANDS_OFFSET + OPERAND.itemsize * widest


_NAMES: dict[str, type[Instruction]] = {}


def _names() -> dict[str, type[Instruction]]:
    _NAMES.update({cls.__name__: cls for cls in INSTRUCTIONS.values()})
    return _NAMES


def _split(cls: type[Instruction]) -> tuple[dict[str, Word], dict[str, Slot]]:
    hints = get_type_hints(cls, include_extras=True)
    notes = {name: get_args(hint)[-1] for name, hint in hints.items() if get_args(hint)}
    words = {name: note for name, note in notes.items() if isinstance(note, Word)}
    slots = {name: note for name, note in notes.items() if isinstance(note, Slot)}
    return words, slots


@dataclass
class _Fields:
    """Names, formats and offsets of a record under construction."""

    names: list[str]
    formats: list[np.dtype]
    offsets: list[int]

    def add(self, name: str, kind: np.dtype, offset: int) -> None:
        """Append one field."""
        self.names.append(name)
        self.formats.append(kind)
        self.offsets.append(offset)

    def dtype(self, size: int) -> np.dtype:
        """The structured dtype of a record of `size` bytes."""
        return np.dtype(
            {
                "names": self.names,
                "formats": self.formats,
                "offsets": self.offsets,
                "itemsize": size,
            }
        )


def header_dtype(size: int) -> np.dtype:
    """The header of a record of `size` bytes, the rest opaque.

    NumPy copies fields, not what lies between them: hence `body`.
    """
    out = _header()
    out.add("body", np.dtype((np.void, size - HEADER.itemsize)), HEADER.itemsize)
    return out.dtype(size)


def _header() -> _Fields:
    fields_of = HEADER.fields
    assert fields_of is not None
    out = _Fields([], [], [])
    for name, (kind, offset, *_) in fields_of.items():
        out.add(name, kind, offset)
    return out


def _layout(cls: type[Instruction]) -> np.dtype:
    out, at = _header(), WORDS_OFFSET
    for name, word in cls.words.items():
        kind = np.dtype(word.format)
        at = -(-at // kind.itemsize) * kind.itemsize
        out.add(name, kind, at)
        at += kind.itemsize
    assert at <= OPERANDS_OFFSET, f"{cls.__name__}: words do not fit"
    for i, name in enumerate(cls.slots):
        out.add(name, OPERAND, OPERANDS_OFFSET + OPERAND.itemsize * i)
    size = OPERANDS_OFFSET + OPERAND.itemsize * len(cls.slots)
    return out.dtype(size)
