"""Unroll a kernel's loops into records, by whole columns.

Each `machine.issue` is one template record; the loops around it become index columns. Offsets are
then template + coefficients x indices for all records at once, so half a million instructions
cost array arithmetic and not Python.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from xdsl.dialects.builtin import FloatAttr, StringAttr
from xdsl.ir import Attribute, Block, Operation, SSAValue

from neuronc.artifact.model import LibraryCall, LibraryOperand
from neuronc.dialects.access import Access, AccessAttr, Affine
from neuronc.dialects.machine import IssueOp
from neuronc.dialects.tile import (
    AllocOp,
    ForOp,
    KernelOp,
    array_of,
    block_type,
    int_of,
    integer_in,
    str_of,
)
from neuronc.dialects.types import element_type, shape_of
from neuronc.dtypes import BY_NAME
from neuronc.isa.instructions import Library
from neuronc.isa.operands import HBM_DIMENSIONS_MAX, OPERAND, Memory, encode_operand, hulls
from neuronc.isa.table import HEADER, OPERANDS_OFFSET, WORDS_OFFSET, Engine, Instruction, by_name

SLOTS_MAX = 4
WIDE = np.dtype(
    {
        "names": [*(HEADER.names or ()), "words", "operands"],
        "formats": [
            *(HEADER[n] for n in HEADER.names or ()),
            ("u1", OPERANDS_OFFSET - WORDS_OFFSET),
            (OPERAND, SLOTS_MAX),
        ],
        "offsets": [0, 1, 4, 8, WORDS_OFFSET, OPERANDS_OFFSET],
        "itemsize": OPERANDS_OFFSET + SLOTS_MAX * OPERAND.itemsize,
    }
)
"""A record with room for every instruction: what emission works on."""


_Coefficients = tuple[int, ...]
_Rotation = tuple[int, int, int, int]
_Operand = tuple[int | tuple[int, ...], ...]
_ABSENT: _Operand = encode_operand(None).item()
_NO_WORDS = bytes(OPERANDS_OFFSET - WORDS_OFFSET)


@dataclass
class Emitted:
    """A kernel's records in program order, before they part into streams."""

    records: np.ndarray
    engines: np.ndarray
    """Engine of each record."""
    written: np.ndarray
    """[records, SLOTS_MAX]: which operands are written."""
    library: tuple[LibraryCall, ...]


@dataclass
class _Template:
    """What an `IssueOp` says, in plain numbers: arrays are made of all templates at once."""

    opcode: int
    source: int
    engine: Engine
    depth: int
    """Of the deepest loop of the kernel: the length of every `coefficients`."""
    words: bytes = _NO_WORDS
    operands: list[_Operand] = field(default_factory=lambda: [_ABSENT] * SLOTS_MAX)
    """The fields of OPERAND."""
    offsets: list[_Coefficients] = field(init=False)
    """Per slot, the bytes an operand moves per run of each loop."""
    runs: list[_Coefficients] = field(init=False)
    """Per slot, how the loops around a block number its runs, which take turns."""
    rotation: list[_Rotation] = field(default_factory=lambda: [(1, 0, 0, 0)] * SLOTS_MAX)
    """Per slot, number of buffers, bytes from one to the next, bytes of a tile or 0, the block."""
    written: list[bool] = field(default_factory=lambda: [False] * SLOTS_MAX)
    base: _Coefficients = field(init=False)
    """What an iota's base moves by."""
    first: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        still = (0,) * self.depth
        self.offsets, self.runs, self.base = [still] * SLOTS_MAX, [still] * SLOTS_MAX, still


@dataclass
class Sources:
    """The debug map being built: (source line, op) pairs, numbered."""

    entries: dict[tuple[str, str], int] = field(default_factory=lambda: {("", ""): 0})

    def number(self, op: Operation) -> int:
        """The entry of the op's location."""
        key = (str_of_attribute(op, "loc"), str_of_attribute(op, "source"))
        return self.entries.setdefault(key, len(self.entries))


def str_of_attribute(op: Operation, name: str) -> str:
    """A string attribute, or ''."""
    attribute = op.attributes.get(name)
    return attribute.data if isinstance(attribute, StringAttr) else ""


class _Emitter:
    def __init__(self, kernel: KernelOp, sources: Sources) -> None:
        self._arguments: dict[SSAValue, int] = {a: i for i, a in enumerate(kernel.body.block.args)}
        self._blocks: dict[SSAValue, int] = {}
        self._sources = sources
        self._depth = max(1, _depth(kernel.body.block))
        self.templates: list[_Template] = []
        self.library: list[LibraryCall] = []

    def expand(self, block: Block, depth: int) -> tuple[np.ndarray, np.ndarray]:
        """Template numbers and loop indices of every record of the block, in order."""
        numbers: list[np.ndarray] = [np.zeros(0, np.int64)]
        indices: list[np.ndarray] = [np.zeros((0, self._depth), np.int64)]
        for op in block.ops:
            if isinstance(op, IssueOp):
                self.templates.append(self._template(op, depth))
                numbers.append(np.array([len(self.templates) - 1]))
                indices.append(np.zeros((1, self._depth), np.int64))
            elif isinstance(op, ForOp):
                inner, at = self.expand(op.body.block, depth + 1)
                runs = np.tile(at, (op.count, 1))
                runs[:, depth] = np.repeat(np.arange(op.count), len(inner))
                numbers.append(np.tile(inner, op.count))
                indices.append(runs)
        return np.concatenate(numbers), np.concatenate(indices)

    def _template(self, op: IssueOp, depth: int) -> _Template:
        cls = by_name(str_of(op, "instruction"))
        template = _Template(
            cls.opcode, self._sources.number(op), Engine[str_of(op, "engine")], self._depth
        )
        if cls is Library:
            template.words = self._call(op)
            return template
        template.first = _first(op)
        self._words(op, cls, template)
        names = list(cls.slots)
        for slot, value, access in zip(op.slots, op.operands, op.accesses, strict=True):
            at = names.index(slot)
            template.written[at] = cls.slots[slot].written
            self._operand(template, at, value, access.data, depth)
        return template

    def _words(self, op: IssueOp, cls: type[Instruction], template: _Template) -> None:
        values: list[tuple[str, int | float]] = []
        for name in cls.words:
            attribute = op.attributes.get(f"word_{name}")
            if isinstance(attribute, AccessAttr):
                base = attribute.data.offset
                values.append((name, base.constant))
                template.base = _coefficients(base, self._depth)
            elif attribute is not None:
                values.append((name, _plain(attribute)))
        template.words = _packed(cls, tuple(values))

    def _operand(
        self, template: _Template, at: int, value: SSAValue, access: Access, depth: int
    ) -> None:
        kind = block_type(value)
        element = BY_NAME[kind.element.data] if kind else element_type(value.type)
        rank, size = len(access.pairs), element.bytes
        beyond = HBM_DIMENSIONS_MAX - rank
        steps = (*(step for step, _ in access.pairs), *[0] * beyond)
        counts = (*(count for _, count in access.pairs), *[1] * beyond)
        walk = (access.offset.constant * size, steps, counts)
        moves = _coefficients(access.offset, self._depth)
        template.offsets[at] = tuple([n * size for n in moves])
        if kind is None:
            buffer = self._arguments[value]
            template.operands[at] = (Memory.HBM, element.code, buffer, 0, 0, rank, 0, 0, 0, *walk)
            return
        memory = Memory.SBUF if kind.memory.data == "sbuf" else Memory.PSUM
        lanes = access.partition_start, access.partitions
        alloc = value.owner
        assert isinstance(alloc, AllocOp)
        whole, buffers = int_of(alloc, "bytes"), int_of(alloc, "buffers")
        part = 0
        if "tiles" in alloc.attributes:
            part = kind.columns.data * size // int_of(alloc, "tiles")
        tile = int_of(alloc, "start"), whole
        template.operands[at] = (memory, element.code, 0, *lanes, rank, 0, *tile, *walk)
        block = self._blocks.setdefault(value, len(self._blocks))
        template.rotation[at] = (buffers, whole, part, block)
        if buffers > 1:
            template.runs[at] = _runs(alloc, self._depth)

    def _call(self, op: IssueOp) -> bytes:
        operands = [
            LibraryOperand(self._arguments[v], shape_of(v), element_type(v).name)
            for v in op.operands
        ]
        outputs = int_of(op, "word_outputs")
        call = LibraryCall(
            str_of(op, "word_function"),
            str_of(op, "word_params"),
            tuple(operands[:outputs]),
            tuple(operands[outputs:]),
        )
        elements = sum(int(np.prod(o.shape)) for o in operands)
        self.library.append(call)
        work = int_of(op, "word_work")
        values = (("call", len(self.library) - 1), ("elements", elements), ("work", work))
        return _packed(Library, values)


@lru_cache(maxsize=1 << 12)
def _packed(cls: type[Instruction], values: tuple[tuple[str, int | float], ...]) -> bytes:
    """The words of a record of `cls`; those not named are 0."""
    row = np.zeros((), cls.layout)
    for name, value in values:
        row[name] = value
    return row.tobytes()[WORDS_OFFSET:OPERANDS_OFFSET]


def emit(kernel: KernelOp, sources: Sources) -> Emitted:
    """All records of one kernel, in program order."""
    emitter = _Emitter(kernel, sources)
    numbers, indices = emitter.expand(kernel.body.block, 0)
    templates = emitter.templates
    records = _records(templates)[numbers]
    offsets = np.array([t.offsets for t in templates])
    rotation = np.array([t.rotation for t in templates])
    records["operands"]["offset"] += (offsets[numbers] * indices[:, None, :]).sum(-1)
    turn = rotation[numbers]
    runs = np.array([t.runs for t in templates])
    which = (runs[numbers] * indices[:, None, :]).sum(-1) % turn[:, :, 0]
    records["operands"]["tile_start"] += (which * turn[:, :, 1]).astype(np.uint32)
    _enter_tiles(records["operands"], turn)
    _set_words(records, templates, numbers, indices)
    engines = np.array([t.engine for t in templates], np.int64)[numbers]
    written = np.array([t.written for t in templates])[numbers]
    return Emitted(records, engines, written, tuple(emitter.library))


def _records(templates: list[_Template]) -> np.ndarray:
    """One record for each template, as in the first runs of all loops."""
    records = np.zeros(len(templates), WIDE)
    records["opcode"] = [t.opcode for t in templates]
    records["source"] = [t.source for t in templates]
    words = np.frombuffer(b"".join(t.words for t in templates), np.uint8)
    records["words"] = words.reshape(len(templates), -1)
    records["operands"] = np.array([t.operands for t in templates], OPERAND)
    return records


def _enter_tiles(operands: np.ndarray, turn: np.ndarray) -> None:
    """Name the tile of a block of tiles that an access lies in, so that only it is waited for.

    A tile is how its bytes lie, too: where one access crosses an edge, its block is one tile.
    """
    at = np.nonzero(turn[:, :, 2])
    inside, (_, whole, part, block) = operands[at], turn[at].T
    low, high = hulls(inside)
    apart = ~np.isin(block, block[low // part < (high - 1) // part])
    shift = np.where(apart, low // part * part, 0)
    inside["tile_bytes"] = np.where(apart, part, whole)
    inside["tile_start"] += shift.astype(np.uint32)
    inside["offset"] -= shift
    operands[at] = inside


def _set_words(
    records: np.ndarray, templates: list[_Template], numbers: np.ndarray, indices: np.ndarray
) -> None:
    """The words that depend on loops: an iota's base, and whether a matmul accumulates."""
    for number, template in enumerate(templates):
        name = {0x41: "Iota", 0x10: "MatMul"}.get(template.opcode)
        if name is None:
            continue
        rows = np.flatnonzero(numbers == number)
        layout = by_name(name).layout
        kind, at = _field(layout, "base" if name == "Iota" else "accumulate")
        raw = records["words"][rows]
        values = raw[:, at - WORDS_OFFSET : at - WORDS_OFFSET + kind.itemsize].copy().view(kind)
        if name == "Iota":
            values[:, 0] += (indices[rows] * np.array(template.base)).sum(-1).astype(kind)
        else:
            values[:, 0] = _accumulates(template.first, indices[rows])
        raw[:, at - WORDS_OFFSET : at - WORDS_OFFSET + kind.itemsize] = values.view(np.uint8)
        records["words"][rows] = raw


def _field(layout: np.dtype, name: str) -> tuple[np.dtype, int]:
    assert layout.fields is not None
    return next((kind, at) for key, (kind, at, *_) in layout.fields.items() if key == name)


def _accumulates(first: tuple[int, ...] | None, indices: np.ndarray) -> np.ndarray:
    if first is None:
        return np.ones(len(indices), np.bool_)
    return np.any(indices[:, list(first)] > 0, axis=-1)


def _first(op: IssueOp) -> tuple[int, ...] | None:
    if "first" not in op.attributes:
        return None
    return tuple(integer_in(a) for a in array_of(op, "first"))


def _plain(attribute: Attribute) -> int | float:
    if isinstance(attribute, FloatAttr):
        return attribute.value.data
    return integer_in(attribute)


def _coefficients(value: Affine, depth: int) -> _Coefficients:
    return value.coefficients + (0,) * (depth - len(value.coefficients))


def _depth(block: Block) -> int:
    return max((1 + _depth(op.body.block) for op in block.ops if isinstance(op, ForOp)), default=0)


def _runs(op: Operation, depth: int) -> _Coefficients:
    """The number of a run of `op`, counted over all the loops around it."""
    counts: list[int] = []
    parent = op.parent_op()
    while isinstance(parent, ForOp):
        counts.append(parent.count)
        parent = parent.parent_op()
    out, number = [0] * depth, 1
    for i, count in enumerate(counts):
        out[len(counts) - 1 - i], number = number, number * count
    return tuple(out)
