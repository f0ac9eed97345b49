"""Views: what reshapes, transposes, slices and broadcasts read, as strides over one buffer.

A view is a NumPy view of an imaginary buffer of one-byte elements, so NumPy's own rules decide
which chains of layout changes need no copy. Nothing is ever read through it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.lib.stride_tricks import as_strided
from xdsl.ir import Block, Operation, SSAValue

from neuronc.dialects.program import WindowsOp
from neuronc.dialects.stablehlo.constant import ConstantOp
from neuronc.dialects.stablehlo.movement import (
    BroadcastInDimOp,
    IotaOp,
    ReshapeOp,
    ReverseOp,
    SliceOp,
    TransposeOp,
)
from neuronc.dialects.types import shape_of
from neuronc.passes.attributes import integer, ints

Imaginary = np.ndarray[tuple[int, ...], np.dtype[np.int8]]
_BASE: Imaginary = np.empty(1, np.int8)
_ORIGIN: int = _BASE.__array_interface__["data"][0]


@dataclass(frozen=True)
class View:
    """A strided window of `source`; a source of None is an iota (the offset is the value)."""

    source: SSAValue | None
    array: Imaginary

    @property
    def shape(self) -> tuple[int, ...]:
        """Logical shape."""
        return self.array.shape

    @property
    def strides(self) -> tuple[int, ...]:
        """Elements from one index to the next, 0 for dimensions of size 1."""
        pairs = zip(self.array.shape, self.array.strides, strict=True)
        return tuple(stride if size > 1 else 0 for size, stride in pairs)

    @property
    def offset(self) -> int:
        """Elements before the first."""
        return self.array.__array_interface__["data"][0] - _ORIGIN

    def transformed(self, change: Callable[[Imaginary], Imaginary]) -> View:
        """The same source seen through a NumPy view function."""
        return View(self.source, change(self.array))

    def window(self, parts: Sequence[slice]) -> View:
        """What the slices, one for each dimension, show."""
        # Without the dots, NumPy takes the element out of an array of no dimensions.
        return self.transformed(lambda a: a[(*parts, ...)])

    def reshaped(self, shape: tuple[int, ...]) -> View | None:
        """The view with another shape, or None where that needs a copy."""
        try:
            return View(self.source, np.reshape(self.array, shape, copy=False))
        except ValueError:
            return None


def dense(source: SSAValue | None, shape: tuple[int, ...]) -> View:
    """A whole row-major buffer."""
    strides = [prod(shape[d + 1 :]) for d in range(len(shape))]
    return View(source, as_strided(_BASE, shape, strides, writeable=False))


def apply_view_op(op: Operation, view: View) -> View | None:
    """What `op` makes of its operand's view; None where it is no view op or needs a copy."""
    rule = _RULES.get(type(op))
    return rule(op, view) if rule else None


def is_view_op(op: Operation) -> bool:
    """Whether the op only changes how its operand is read."""
    return type(op) in _RULES


def view_of(value: SSAValue, stop: Callable[[SSAValue], bool]) -> View | None:
    """Follow view ops from `value` up to a value where `stop` holds; None where that fails.

    Iotas end a chain as views without a source.
    """
    if stop(value):
        return dense(value, shape_of(value))
    op = value.owner
    if isinstance(op, Block):
        return None
    if type(op) is IotaOp:
        return _iota(value, op)
    if type(op) not in _RULES:
        return None
    inner = view_of(op.operands[0], stop)
    return apply_view_op(op, inner) if inner is not None else None


def splat_of(value: SSAValue) -> np.ndarray | None:
    """The 0-d value of a constant that is the same everywhere, through view ops; else None."""
    op = value.owner
    if type(op) is ConstantOp:
        if op.value.data.name:
            return None
        array = op.value.array
        uniform = array.size == 1 or (array.size > 1 and not any(array.strides))
        return array.reshape(-1)[:1].reshape(()) if uniform else None
    if type(op) in _RULES:
        assert not isinstance(op, Block)
        return splat_of(op.operands[0])
    return None


def _iota(value: SSAValue, op: Operation) -> View:
    shape, dimension = shape_of(value), integer(op, "iota_dimension")
    strides = [1 if d == dimension else 0 for d in range(len(shape))]
    return View(None, as_strided(_BASE, shape, strides, writeable=False))


def _broadcast(op: Operation, view: View) -> View | None:
    shape = shape_of(op.results[0])
    strides = [0] * len(shape)
    for d, size, stride in zip(
        ints(op, "broadcast_dimensions"), view.shape, view.strides, strict=True
    ):
        strides[d] = stride if size > 1 else 0
    start = view.array
    return view.transformed(lambda _: as_strided(_first(start), shape, strides, writeable=False))


def _first(array: Imaginary) -> Imaginary:
    """The first element alone, keeping the address."""
    return array[tuple(slice(0, 1) for _ in array.shape)].reshape(-1) if array.ndim else array


def _reshape(op: Operation, view: View) -> View | None:
    return view.reshaped(shape_of(op.results[0]))


def _transpose(op: Operation, view: View) -> View | None:
    return view.transformed(lambda a: a.transpose(ints(op, "permutation")))


def _slice(op: Operation, view: View) -> View | None:
    bounds = zip(
        ints(op, "start_indices"),
        ints(op, "limit_indices"),
        ints(op, "strides"),
        strict=True,
    )
    return view.window([slice(start, limit, stride) for start, limit, stride in bounds])


def _reverse(op: Operation, view: View) -> View | None:
    reversed_ = ints(op, "dimensions")
    return view.window(
        [slice(None, None, -1 if d in reversed_ else 1) for d in range(view.array.ndim)]
    )


def _windows(op: Operation, view: View) -> View | None:
    shape = list(shape_of(op.results[0]))
    steps, dilations = ints(op, "strides"), ints(op, "dilations")
    strides, windows = list(view.array.strides), list[int]()
    for d, step, dilation in zip(ints(op, "dimensions"), steps, dilations, strict=True):
        windows.append(strides[d] * dilation)
        strides[d] *= step
    return view.transformed(
        lambda a: as_strided(_first(a), shape, strides + windows, writeable=False)
    )


_RULES: Mapping[type[Operation], Callable[[Operation, View], View | None]] = {
    BroadcastInDimOp: _broadcast,
    ReshapeOp: _reshape,
    TransposeOp: _transpose,
    SliceOp: _slice,
    ReverseOp: _reverse,
    WindowsOp: _windows,
}
