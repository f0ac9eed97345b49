"""Records as nodes that the host may rearrange: an instruction and the views it reaches.

Nodes are in a legal order. Each names the views that it reads and writes; places number the
distinct ones and say which share bytes, or might.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from neuronc.artifact.model import Kernel
from neuronc.dtypes import BY_NAME
from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory, Operand
from neuronc.isa.records import Record
from neuronc.isa.table import Instruction
from neuronc.runtime.accesses import Room
from neuronc.runtime.overlaps import overlaps_of
from neuronc.runtime.views import View, matrix, span_of, view_of, whole

_FLOAT = BY_NAME["f32"].code
HOST = int(Memory.NONE)
"""The space of memory that only the host has, for operands that it copies together."""
OPAQUE = (isa.DmaGather, isa.DmaScatter, isa.Library)
"""Instructions whose addresses depend on data: bound as they are, taken to reach whole buffers."""


@dataclass(slots=True)
class Node:
    """One call: an instruction, the view of each operand, and which of them it writes and reads."""

    instruction: Instruction
    views: dict[str, View]
    written: tuple[str, ...]
    read: tuple[str, ...]
    """Operands read, `dst` too where it is added to."""
    reads: dict[str, int] = field(default_factory=dict[str, int])
    """Numbers of the places, by operand; -1 where nobody writes them."""
    writes: dict[str, int] = field(default_factory=dict[str, int])
    numbering: object = field(default=None, repr=False, compare=False)
    """Of the places that the numbers are of: others have other numbers."""

    @property
    def is_gemm(self) -> bool:
        """Whether it multiplies plain matrices."""
        return self.is_plain and len(self.views) == 3

    @property
    def is_batch(self) -> bool:
        """Whether it makes several products of plain matrices, one beside the other."""
        return self.multiplies and len(self.views["dst"].shape) == 3

    @property
    def is_plain(self) -> bool:
        """Whether all that it multiplies and adds up are plain matrices."""
        return self.multiplies and all(len(view.shape) == 2 for view in self.views.values())

    @property
    def multiplies(self) -> bool:
        """Whether it adds up products of matrices, some of which may lie in several runs."""
        return isinstance(self.instruction, isa.MatMul) and "left" in self.views

    @property
    def is_plain_float(self) -> bool:
        """Whether it is plain, and its sums are float32."""
        return self.is_plain and self.views["dst"].dtype == _FLOAT

    @property
    def depth(self) -> int:
        """K of a product, or of each of a batch."""
        axis = len(self.views["dst"].shape) - 2
        return sum(self.views[name].shape[axis] for name, _ in self.factors)

    @property
    def factors(self) -> list[tuple[str, str]]:
        """The names of the pairs of operands that it multiplies."""
        names = [name.removeprefix("left") for name in self.views if name.startswith("left")]
        return [(f"left{n}", f"moving{n}") for n in names]


@dataclass(frozen=True)
class Spaces:
    """What a kernel's buffers are at a call: which share bytes, and which it never changes."""

    groups: tuple[int, ...]
    """Per buffer, the buffer that names its bytes."""
    starts: tuple[int, ...]
    fixed: frozenset[int]
    """Spaces that no record of the kernel changes."""


def spaces_of(kernel: Kernel, rooms: Sequence[Room]) -> Spaces:
    """Judge the buffers of a call by how they overlap."""
    written = {rooms[i].group for i in kernel.written}
    fixed = frozenset(Memory.HBM + i for i, room in enumerate(rooms) if room.group not in written)
    return Spaces(tuple(r.group for r in rooms), tuple(r.start for r in rooms), fixed)


def node_of(record: Record, kernel: Kernel, partitions: int) -> Node:
    """The node of one record."""
    instr = record.instruction
    if isinstance(instr, OPAQUE):
        return _opaque(instr, kernel, partitions)
    views = {name: view_of(o, partitions) for name, o in _given(instr)}
    written = tuple(name for name in views if instr.slots[name].written)
    read = tuple(name for name in views if name not in written)
    if getattr(instr, "accumulate", 0):
        read = ("dst", *read)
    if isinstance(instr, isa.MatMul):
        flat = {name: matrix(view) for name, view in views.items()}
        if flat["dst"] is not None:
            names = {"dst": "dst", "left": "stationary", "moving": "moving"}
            views = {name: flat[of] or views[of] for name, of in names.items()}
            read = (*(("dst",) if instr.accumulate else ()), "left", "moving")
    return Node(instr, views, written, read)


def _given(instr: Instruction) -> Iterator[tuple[str, Operand]]:
    for name in instr.slots:
        operand = cast(Operand | None, getattr(instr, name))
        if operand is not None:
            yield name, operand


def _opaque(instr: Instruction, kernel: Kernel, partitions: int) -> Node:
    """Whole buffers read and written; a skipped row keeps what it was, so dst is read as well."""
    views: dict[str, View] = {}
    written: list[str] = []
    if isinstance(instr, isa.Library):
        call = kernel.library[instr.call]
        for kind, operands in (("dst", call.outputs), ("src", call.inputs)):
            for i, operand in enumerate(operands):
                views[f"{kind}{i}"] = whole(Memory.HBM + operand.argument)
                written += [f"{kind}{i}"] if kind == "dst" else []
    for name, operand in _given(instr):
        computed = (type(instr), name) in ((isa.DmaGather, "src"), (isa.DmaScatter, "dst"))
        hbm = operand.memory is Memory.HBM
        views[name] = (
            whole(Memory.HBM + operand.buffer) if computed and hbm else view_of(operand, partitions)
        )
        written += [name] if instr.slots[name].written else []
    return Node(instr, views, tuple(written), tuple(views))


class Places:
    """The distinct places of some nodes, numbered; each with those that share a byte, or might.

    Nodes keep their numbers from one pass to the next; where one has an operand elsewhere, it makes
    a node without numbers. Spaces that nobody changes are left out.
    """

    def __init__(self, spaces: Spaces) -> None:
        self.spaces = spaces
        self.overlaps: list[list[int]] = []
        """For each place, the others."""
        self.inside: list[set[int]] = []
        """For each place, those of them that have no byte outside it."""
        self._numbering = object()
        self._spans: dict[tuple[int, ...], int] = {}
        self._known: dict[View, int] = {}

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.overlaps)

    def add(self, nodes: Iterable[Node]) -> None:
        """Number the places of the nodes that have no numbers of these yet."""
        for node in nodes:
            if node.numbering is not self._numbering:
                node.numbering = self._numbering
                node.reads = {name: self._place(node.views[name]) for name in node.read}
                node.writes = {name: self._place(node.views[name]) for name in node.written}
        before, table = self.count, np.array(list(self._spans), np.int64).reshape(-1, 7)
        if len(table) == before:
            return
        shared, held = overlaps_of(table, before)
        for place in range(before):
            self.overlaps[place] += shared[place]
            self.inside[place].update(held[place])
        self.overlaps += shared[before:]
        self.inside += map(set, held[before:])

    def _place(self, view: View) -> int:
        found = self._known.get(view)
        if found is None:
            found = self._known[view] = self._new(view)
        return found

    def _new(self, view: View) -> int:
        if view.space in self.spaces.fixed:
            return -1
        span, full = span_of(view)
        # Views with gaps are places of their own, so that equal places are equal bytes.
        key = (*_grouped(span, self.spaces), -1 if full else len(self._known))
        return self._spans.setdefault(key, len(self._spans))


def number(nodes: Iterable[Node], spaces: Spaces) -> Places:
    """Number the places of all nodes, and of no others."""
    places = Places(spaces)
    places.add(nodes)
    return places


def _grouped(span: tuple[int, ...], spaces: Spaces) -> tuple[int, ...]:
    """Name HBM bytes by the group of the buffer."""
    space, low, high, name, left, right = span
    if space < Memory.HBM:
        return span
    start = spaces.starts[space - Memory.HBM]
    group = Memory.HBM + spaces.groups[space - Memory.HBM]
    if start:
        return group, low + start, high + start, 0, 0, 0
    return group, low, high, name, left, right


def retargeted(node: Node, views: Mapping[str, View]) -> Node:
    """The node with some operands elsewhere."""
    return Node(node.instruction, {**node.views, **views}, node.written, node.read)
