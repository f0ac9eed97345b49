"""What a caller gives to a program and takes from it: arrays bound between calls, or one a call.

    bound      read, and where donated updated, in the caller's own memory; nothing is copied
    large      read in the caller's memory for one call
    small      copied into the program's own buffer, which is cheaper than to bind its readers anew

Memory that is no contiguous run cannot be worked on in place: such an array is copied in at each
call, and, bound and donated, back out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from neuronc.artifact.model import Artifact, BufferKind, TensorInfo
from neuronc.dtypes import BY_NAME
from neuronc.errors import InputError
from neuronc.runtime.memory import Array, Bytes

COPIED_BYTES_MAX = 1 << 20
"""Inputs up to this size are copied at each call; larger ones are read in place."""
Moved = Callable[[int], object]
"""Told the number of a buffer that lies elsewhere from now on."""


@dataclass(eq=False)
class _Input:
    """One input: its buffer, and where its elements are."""

    info: TensorInfo
    number: int
    """Its buffer, or -1 for one without a byte."""
    updated: bool
    """Whether the program makes the result that it is donated to in its memory."""
    own: Array | None = None
    """The program's copy, once there is one."""
    bound: Array | None = None


class Arguments:
    """The inputs and outputs of one program, over the memory that it runs on."""

    def __init__(self, artifact: Artifact, memory: list[Bytes], moved: Moved) -> None:
        self._memory, self._moved = memory, moved
        self.copied_bytes = 0
        """What the last call copied between the caller's arrays and the program's own."""
        numbers = {(b.kind, b.index): i for i, b in enumerate(artifact.buffers)}
        self._place: list[tuple[TensorInfo, int, int]] = []
        donors = {info.donated: i for i, info in enumerate(artifact.inputs) if info.donated >= 0}
        for index, info in enumerate(artifact.outputs):
            donor = donors.get(index, -1)
            own = numbers.get((BufferKind.OUTPUT, index))
            number = numbers[BufferKind.INPUT, donor] if own is None else own
            self._place.append((info, number, donor))
        taken = {number for _, number, _ in self._place}
        self.inputs = [
            _Input(info, number := numbers.get((BufferKind.INPUT, i), -1), number in taken)
            for i, info in enumerate(artifact.inputs)
        ]
        self._refresh()

    @property
    def free(self) -> tuple[TensorInfo, ...]:
        """The inputs that a call gives, in order: those that are not bound."""
        return tuple(i.info for i in self._free)

    @property
    def bound(self) -> dict[str, Array]:
        """The arrays that are bound, by the names of their inputs."""
        return {i.info.name: i.bound for i in self.inputs if i.bound is not None}

    def bind(self, arrays: Mapping[int | str, Array]) -> None:
        """Bind inputs by name or position, all or none of them.

        Raises:
            InputError: there is no such input, an array does not fit it, or one that the program
                updates is read-only or shares memory with another.
        """
        chosen = {self._find(key): array for key, array in arrays.items()}
        for item, array in chosen.items():
            check(array, item.info)
            if item.info.donated >= 0 and not array.flags.writeable:
                hint = "bind a copy, or compile without donating the input"
                raise InputError(
                    item.info.name, "is updated in place, but is read-only", hint, code="NRC-0512"
                )
        held = {i: i.bound for i in self.inputs if i.bound is not None}
        _check_apart({**held, **chosen})
        for item, array in chosen.items():
            item.bound = array
            if array.flags.c_contiguous:
                self._point(item, array)
            else:
                self._own(item)
        self._refresh()

    def unbind(self) -> None:
        """Give up every array that is bound; calls take all inputs again."""
        for item in self.inputs:
            item.bound = None
        self._refresh()

    def place(self, arrays: Sequence[Array]) -> None:
        """Take the arrays of one call, one for each free input.

        Raises:
            InputError: on a wrong number, shape or element type.
        """
        if len(arrays) != len(self._free):
            problem = f"{len(self._free)} arrays are needed, but {len(arrays)} were given"
            hint = "`neuronc inspect` lists the inputs in order; bound ones are not given again"
            raise InputError("inputs", problem, hint, code="NRC-0501")
        given = [np.asarray(a) for a in arrays]
        for item, array in zip(self._free, given, strict=True):
            check(array, item.info)
        self.copied_bytes = self._outgoing_bytes
        for item, array in zip(self._free, given, strict=True):
            if not array.nbytes:
                continue
            if self._reads_in_place(item, array):
                self._point(item, array)
            else:
                np.copyto(self._own(item), array)
                self.copied_bytes += array.nbytes
        for item in self._strided:
            assert item.own is not None
            assert item.bound is not None
            np.copyto(item.own, item.bound)
            self.copied_bytes += item.own.nbytes

    def results(self) -> list[Array]:
        """One array an output: a fresh one, or the bound array that was updated."""
        for target, source in self._back:
            np.copyto(target, source)
        return [found.copy() if fresh else found for found, fresh in self._results]

    def _find(self, key: int | str) -> _Input:
        for index, item in enumerate(self.inputs):
            if key in (index, item.info.name):
                return item
        names = ", ".join(i.info.name for i in self.inputs)
        raise InputError(
            "bind", f"there is no input {key!r}", f"there are {names}", code="NRC-0511"
        )

    def _reads_in_place(self, item: _Input, array: Array) -> bool:
        """Whether an array of one call is large, and nothing writes it while it is read."""
        if item.updated or array.nbytes <= COPIED_BYTES_MAX or not array.flags.c_contiguous:
            return False
        return not any(np.may_share_memory(array, target) for target in self._written)

    def _point(self, item: _Input, array: Array) -> None:
        """Let the program work on the array where it is."""
        if item.number < 0 or not array.nbytes:
            return
        item.own = None
        raw = bytes_of(array)
        if self._memory[item.number].ctypes.data != raw.ctypes.data:
            self._moved(item.number)
        self._memory[item.number] = raw

    def _own(self, item: _Input) -> Array:
        """The program's own copy of an input, made at first use."""
        if item.own is None:
            item.own = np.zeros(item.info.shape, BY_NAME[item.info.dtype].numpy)
            if item.number >= 0 and item.own.nbytes:
                self._memory[item.number] = bytes_of(item.own)
                self._moved(item.number)
        return item.own

    def _refresh(self) -> None:
        """What every call asks, worked out once."""
        self._free = [i for i in self.inputs if i.bound is None]
        bound = [i for i in self.inputs if i.bound is not None]
        self._strided = [i for i in bound if i.own is not None]
        self._written = [i.bound for i in bound if i.bound is not None and i.info.donated >= 0]
        self._results: list[tuple[Array, bool]] = []
        """For each output where it is, and whether the caller gets a copy of it."""
        self._back: list[tuple[Array, Array]] = []
        for info, number, donor in self._place:
            item = self.inputs[donor] if donor >= 0 else None
            if item is None or item.bound is None:
                made = self._own(item) if item and item.updated else self._typed(info, number)
                self._results.append((made, True))
                continue
            self._results.append((item.bound, False))
            if item.own is not None:
                self._back.append((item.bound, item.own))
            elif not item.updated:
                self._back.append((item.bound, self._typed(info, number)))
        self._outgoing_bytes = sum(target.nbytes for target, _ in self._back)
        self._outgoing_bytes += sum(found.nbytes for found, fresh in self._results if fresh)

    def _typed(self, info: TensorInfo, number: int) -> Array:
        return self._memory[number].view(BY_NAME[info.dtype].numpy).reshape(info.shape)


def check(array: Array, info: TensorInfo) -> None:
    """The array has the shape and type of an input or output.

    Raises:
        InputError: it does not.
    """
    if array.shape != info.shape:
        problem = f"shape {info.shape} is needed, but {array.shape} was given"
        raise InputError(info.name, problem, code="NRC-0502")
    wanted = BY_NAME[info.dtype].numpy
    if array.dtype != wanted:
        problem = f"type {wanted} is needed, but {array.dtype} was given"
        raise InputError(info.name, problem, code="NRC-0503")


def bytes_of(array: Array) -> Bytes:
    """The bytes of a contiguous array, in place."""
    return array.reshape(-1).view(np.uint8) if array.size else np.zeros(0, np.uint8)


def _check_apart(bound: Mapping[_Input, Array]) -> None:
    """No bound array that is updated shares memory with another."""
    for item, array in bound.items():
        if item.info.donated < 0:
            continue
        for other, also in bound.items():
            if other is not item and np.may_share_memory(array, also):
                problem = f"is updated in place, but shares memory with {other.info.name}"
                hint = "bind a copy of one of them"
                raise InputError(item.info.name, problem, hint, code="NRC-0512")
