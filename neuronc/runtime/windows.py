"""Sums of matrix products whose operands lie in several runs, as the windows of a convolution do.

    dst[M, (8, 56)] = sum over taps of left.T @ moving[K, (58, 8) (1, 56)]
  becomes
    sums[M, 462] = sum over taps of left.T @ moving[K, 462];  dst = sums[M, 8 rows of 56 of 58]

BLAS takes rows or columns at one even distance. Windows that step evenly lie in one run with what
is between them; the products of what is between cost less than to copy the rest together, up to
`WASTE_MAX`, and are left out where the sums are copied to their place. Else windows are taken from
transposed images (`images`), or each operand is copied together first. All use memory of the thread
that multiplies, which is in its cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import get_ident

import numpy as np
from numpy.lib.stride_tricks import as_strided

from neuronc.runtime.gemm import bind_gemm
from neuronc.runtime.images import bind_images
from neuronc.runtime.interleaved import bind_interleaved
from neuronc.runtime.memory import Array
from neuronc.runtime.rooms import room

Call = Callable[[], object]
WASTE_MAX = 1.05
"""Columns of a run for each column that counts, up to which the whole run is multiplied.

In ResNet-18 it is 1.03 for 8 x 56 windows and 1.07 for 14 x 28: 199 and 682 us a call, and of rows
of channels 222 and 622."""
_FLOAT = np.dtype(np.float32)


@dataclass
class Products:
    """dst[M, N] (+)= the sum of left[K, M].T @ moving[K, ...] over pairs of operands."""

    dst: Array
    pairs: Sequence[tuple[Array, Array]]
    accumulate: bool
    calls: dict[int, Call] = field(default_factory=dict[int, Call])
    """By thread."""

    def __call__(self) -> None:
        """Multiply and add up."""
        call = self.calls.get(get_ident())
        if call is None:
            call = self.calls[get_ident()] = self._bound()
        call()

    def _bound(self) -> Call:
        return self._in_runs() or self._of_images() or self._interleaved() or self._copied()

    def _interleaved(self) -> Call | None:
        """Multiply what is one matrix; None where the operands are not parts of one."""
        left, moving = self.pairs[0]
        if moving.ndim != 2 or left.ndim != 3:
            return None
        second = room("moving", (len(self.pairs) * len(moving), moving.shape[1]), moving.dtype)
        calls = bind_interleaved(self.dst, self.pairs, self.accumulate, second)
        return None if calls is None else _in_turn(calls)

    def _of_images(self) -> Call | None:
        """Multiply rows of channels; None where the operands are no windows of a few images."""
        calls = bind_images(self.dst, self.pairs, self.accumulate)
        return None if calls is None else _in_turn(calls)

    def _in_runs(self) -> Call | None:
        """Multiply whole runs; None where moving operands are in none, or in different ones."""
        steps = {_steps(moving) for _, moving in self.pairs}
        plain = all(left.ndim == 2 for left, _ in self.pairs)
        if len(steps) != 1 or not plain or self.dst.dtype != _FLOAT:
            return None
        (walk,) = steps
        if walk is None or _run(walk) > WASTE_MAX * self.dst.shape[1]:
            return None
        sums = room("sums", (len(self.dst), _run(walk)), _FLOAT)
        counts, strides = zip(*walk, strict=True)
        shape, pitch = (len(sums), *counts), (sums.strides[0], *(s * 4 for s in strides))
        taken = as_strided(sums, shape, pitch, writeable=False)
        dst = self.dst.reshape(shape)
        calls = [
            bind_gemm(sums, left, _whole(moving, _run(walk)), i > 0)
            for i, (left, moving) in enumerate(self.pairs)
        ]
        finish: Call = lambda: np.copyto(dst, taken)  # noqa: E731
        if self.accumulate:
            finish = lambda: np.add(dst, taken, out=dst)  # noqa: E731
        return _in_turn([*calls, finish])

    def _copied(self) -> Call:
        """Copy what is no matrix together, then multiply."""
        calls: list[Call] = []
        for i, pair in enumerate(self.pairs):
            plain: list[Array] = []
            for name, operand in zip(("left", "moving"), pair, strict=True):
                flat = operand
                if operand.ndim != 2:
                    together = room(name, operand.shape, operand.dtype)
                    calls.append(_copy(together, operand))
                    flat = together.reshape(len(together), -1)
                plain.append(flat)
            calls.append(bind_gemm(self.dst, plain[0], plain[1], self.accumulate or i > 0))
        return _in_turn(calls)


def _copy(to: Array, of: Array) -> Call:
    return lambda: np.copyto(to, of)


def _in_turn(calls: Sequence[Call]) -> Call:
    def run() -> None:
        for call in calls:
            call()

    return run


def _steps(moving: Array) -> tuple[tuple[int, int], ...] | None:
    """(count, elements to the next) of the columns; None where they are not in one run of rows."""
    size = moving.itemsize
    walk = tuple(zip(moving.shape[1:], (s // size for s in moving.strides[1:]), strict=True))
    if moving.dtype != _FLOAT or walk[-1][1] != 1 or any(s % size for s in moving.strides):
        return None
    inner = 1
    for count, step in reversed(walk):
        if step < inner:
            return None
        inner = (count - 1) * step + inner
    return walk


def _run(walk: Sequence[tuple[int, int]]) -> int:
    return 1 + sum((count - 1) * step for count, step in walk)


def _whole(moving: Array, run: int) -> Array:
    """The rows of an operand, with what is between its columns."""
    return as_strided(moving, (len(moving), run), (moving.strides[0], 4), writeable=False)
