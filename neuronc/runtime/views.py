"""Where an operand's elements lie in the host's memories, as numbers: an array before its buffer.

A view's `space` is SBUF, PSUM, or a buffer of the call (`Memory.HBM` plus its number); offset and
strides are in bytes of that space. On chip they are those of `memory.Core.view`, so two views
share a byte exactly where the arrays do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from neuronc.dtypes import BY_CODE, BY_NAME
from neuronc.isa.operands import Memory, Operand
from neuronc.runtime.memory import Array, Bytes, window

_WHOLE = 1 << 39
"""Bytes of a whole buffer, whatever its size."""


@dataclass(frozen=True, slots=True)
class View:
    """A strided array of one space."""

    space: int
    dtype: int
    """The code of the element type."""
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    phase: int = 0
    """A byte at which a row of the tile or buffer starts, to tell columns apart."""

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return BY_CODE[self.dtype].bytes

    @property
    def size(self) -> int:
        """Elements."""
        size = 1
        for count in self.shape:
            size *= count
        return size

    def on(self, spaces: Sequence[Bytes]) -> Array:
        """The array, over the bytes of each space; NumPy checks that it stays inside."""
        dtype = BY_CODE[self.dtype].numpy
        return window(spaces[self.space], self.shape, dtype, self.offset, self.strides)


@lru_cache(maxsize=1 << 14)
def view_of(operand: Operand, partitions: int) -> View:
    """The view that an operand names, of a core with that many partitions."""
    size = BY_CODE[operand.dtype].bytes
    strides = tuple(step * size for step in operand.steps)
    if operand.memory is Memory.HBM:
        space = Memory.HBM + operand.buffer
        return View(space, operand.dtype, operand.offset, operand.counts, strides)
    phase = partitions * operand.tile_start
    start = phase + operand.partition_start * operand.tile_bytes + operand.offset
    strides = (operand.tile_bytes, *strides)
    return View(operand.memory, operand.dtype, start, operand.shape, strides, phase)


def whole(space: int) -> View:
    """A whole buffer, whatever its size."""
    return View(space, BY_NAME["ui8"].code, 0, (_WHOLE,), (1,))


def is_whole(view: View) -> bool:
    """Whether a view is a whole buffer, as `whole` makes it."""
    return view.shape == (_WHOLE,)


@lru_cache(maxsize=1 << 14)
def span_of(view: View) -> tuple[tuple[int, int, int, int, int, int], bool]:
    """Where a view lies, and whether it has all bytes there.

    Space, first byte, end; then a name that rows of the same pitch share, and the bytes taken of
    each row. The last three are zeros where the view is not one stretch of each of several rows.
    """
    low, high, pitch = view.offset, view.offset + view.itemsize, 0
    for count, stride in zip(view.shape, view.strides, strict=True):
        reach = (count - 1) * stride
        low, high = low + min(reach, 0), high + max(reach, 0)
        if count > 1:
            pitch = max(pitch, abs(stride))
    if view.shape[:1] == (1,):
        pitch = max(pitch, view.strides[0])
    width = high - low
    for count, stride in zip(view.shape, view.strides, strict=True):
        if stride == pitch:
            width -= (count - 1) * stride
    if pitch <= 0 or pitch >> 31 or any(s < 0 for s in view.strides):
        return (view.space, low, high, 0, 0, 0), False
    column = (low - view.phase) % pitch
    if column + width > pitch:
        return (view.space, low, high, 0, 0, 0), False
    rows = (high - low - width) // pitch + 1
    full = view.size * view.itemsize == rows * width and _walk(view, view) is not None
    name = 1 + pitch + (view.phase % pitch << 32)
    return (view.space, low, high, name, column, column + width), full


def rows_of(name: int) -> tuple[int, int]:
    """The pitch of the rows that share a name of `span_of`, and the byte of it where they start."""
    return (name - 1) % (1 << 32), name >> 32


def compose(reader: View, dst: View, src: View) -> View | None:
    """What `reader` reads, where a copy took it from: dst = src, element by element.

    None where `reader` reaches outside `dst`, or its steps there are no steps of `src`.
    """
    if reader.space != dst.space or reader.offset < dst.offset or dst.shape != src.shape:
        return None
    if reader.itemsize != dst.itemsize:
        return None
    walk = _walk(dst, src)
    start = None if walk is None else _steps(reader.offset - dst.offset, walk)
    if walk is None or start is None:
        return None
    room = [count - 1 - index for (count, _, _), index in zip(walk, start[0], strict=True)]
    strides: list[int] = []
    for count, stride in zip(reader.shape, reader.strides, strict=True):
        if count == 1:
            strides.append(reader.itemsize)
            continue
        step = _steps(stride, walk)
        if step is None:
            return None
        strides.append(step[1])
        room = [left - n * (count - 1) for left, n in zip(room, step[0], strict=True)]
    if min(room, default=0) < 0:
        return None
    offset = src.offset + start[1]
    return View(src.space, reader.dtype, offset, reader.shape, tuple(strides), src.phase)


def _steps(distance: int, walk: Sequence[tuple[int, int, int]]) -> tuple[list[int], int] | None:
    """A distance in dst as steps along each of its dimensions, and the distance that is in src."""
    if distance < 0:
        return None
    steps: list[int] = []
    moved = 0
    for _, step, other in walk:
        times, distance = divmod(distance, step)
        steps.append(times)
        moved += times * other
    return None if distance else (steps, moved)


@lru_cache(maxsize=1 << 14)
def _walk(dst: View, src: View) -> list[tuple[int, int, int]] | None:
    """(count, step of dst, step of src), from the widest step; None if elements of dst overlap."""
    walk: list[tuple[int, int, int]] = []
    pairs = zip(dst.shape, dst.strides, src.strides, strict=True)
    for count, step, other in sorted((p for p in pairs if p[0] > 1), key=lambda p: -p[1]):
        if step <= 0:
            return None
        if walk and walk[-1][1] == step * count and walk[-1][2] == other * count:
            walk[-1] = (walk[-1][0] * count, step, other)
        elif walk and walk[-1][1] < step * count:
            return None
        else:
            walk.append((count, step, other))
    if walk and walk[-1][1] < dst.itemsize:
        return None
    return walk


def is_apart(view: View) -> bool:
    """Whether no two elements are known to share a byte: each step is wider than what is inside."""
    return _walk(view, view) is not None


def matrix(view: View) -> View | None:
    """The same elements as [rows, columns], the first dimension being the rows."""
    rows, *counts = view.shape
    if len(counts) == 1:
        return view
    columns, step = 1, view.itemsize
    for count, stride in zip(reversed(counts), reversed(view.strides[1:]), strict=True):
        if count == 1:
            continue
        if columns == 1:
            step = stride
        elif stride != columns * step:
            return None
        columns *= count
    return replace(view, shape=(rows, columns), strides=(view.strides[0], step))


def turned(view: View) -> View:
    """The transposition of a matrix."""
    return replace(view, shape=view.shape[::-1], strides=view.strides[::-1])


def joined(one: View, two: View, axis: int) -> View | None:
    """One view of both, `two` following `one` along `axis`; None where it does not."""
    if one.space != two.space or one.dtype != two.dtype:
        return None
    gap = two.offset - one.offset
    for i, (count, other) in enumerate(zip(one.shape, two.shape, strict=True)):
        if i != axis and count != other:
            return None
        if i != axis and count > 1 and one.strides[i] != two.strides[i]:
            return None
    stride, count = one.strides[axis], one.shape[axis]
    if count == 1:
        stride = gap
    if gap != count * stride or (two.shape[axis] > 1 and two.strides[axis] != stride):
        return None
    shape = list(one.shape)
    shape[axis] += two.shape[axis]
    strides = list(one.strides)
    strides[axis] = stride
    return View(one.space, one.dtype, one.offset, tuple(shape), tuple(strides), one.phase)


def innermost_run(view: View) -> int:
    """Elements that lie one after another at the inner end."""
    run, step = 1, view.itemsize
    for count, stride in zip(reversed(view.shape), reversed(view.strides), strict=True):
        if count == 1:
            continue
        if stride != step * run:
            break
        run *= count
    return run


def reach(view: View) -> int:
    """Bytes from the first element of a row to the last, all other dimensions being its columns."""
    columns = zip(view.shape[1:], view.strides[1:], strict=True)
    return sum((count - 1) * abs(stride) for count, stride in columns)


def is_blas(view: View) -> bool:
    """Whether BLAS takes the matrix as it lies: rows or columns contiguous, not overlapping."""
    (rows, columns), (down, across), size = view.shape, view.strides, view.itemsize
    if down % size or across % size:
        return False
    by_row = (columns == 1 or across == size) and (rows == 1 or down >= columns * size)
    by_column = (rows == 1 or down == size) and (columns == 1 or across >= rows * size)
    return by_row or by_column
