"""One function of views, or two in a row, as a call: chosen once, when it is bound.

Floats are computed in float32 and rounded once where the result is written. Operands broadcast as
NumPy's do, so that a call may reach several blocks of the same shape, [B, P, C].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from neuronc.numerics import BY_CODE, Function, cast
from neuronc.numerics.in_place import InPlace
from neuronc.runtime.memory import Array
from neuronc.runtime.rooms import PerThread, is_spread, room

Call = Callable[[], object]
Views = Mapping[str, Array]
FLOAT = np.dtype(np.float32)
_BOUNDS = {"maximum": (None, np.float32(np.inf)), "minimum": (np.float32(-np.inf), None)}
"""What these clip a float to, None for the number given: np.maximum takes a number one element at
a time, np.clip eight (1.2 and 0.3 ns an element with AVX2)."""
_CLIP_MIN = 4096
"""Elements from which that pays for np.clip's longer way to its loop, of 2 us."""
_FLOATS = (FLOAT, np.dtype(ml_dtypes.bfloat16), np.dtype(np.float16))


def apply(row: Function, dst: Array, *sources: Array) -> Call:
    """Dst = row(sources), in place where that is exact."""
    kinds = {s.dtype for s in sources}
    same = len(kinds) == 1 and row.result_dtype(sources[-1].dtype) == dst.dtype
    if same and is_native(sources[0].dtype):
        into = row.in_place(sources[0].dtype)
        return lambda: into(*sources, out=dst)
    made = (np.dtype(np.bool_),) if row.result == "bool" else _FLOATS
    if dst.dtype in made and kinds <= {*_FLOATS} and row.in_place(FLOAT) is row.into:
        return _widely(row.in_place(FLOAT), dst, sources)
    return lambda: np.copyto(dst, row.evaluate(*sources), casting="unsafe")


def _widely(into: InPlace, dst: Array, sources: tuple[Array, ...]) -> Call:
    """In float32, rounded once at the end; what is repeated is converted once."""
    once = [s[tuple(slice(None if step else 1) for step in s.strides)] for s in sources]

    def run() -> None:
        wide = [source.astype(np.float32, order="C", copy=False) for source in once]
        value = dst if dst.dtype == np.bool_ else np.empty(dst.shape, np.float32)
        into(*wide, out=value)
        if value is not dst:
            np.copyto(dst, value, casting="unsafe")

    return run


@dataclass(frozen=True)
class Step:
    """One function of a value and something else, in either order."""

    code: int
    reverse: int
    other: Array

    def ordered(self, value: Array, other: Array) -> tuple[Array, Array]:
        """The arguments as the function takes them."""
        return (other, value) if self.reverse else (value, other)

    def call(self, dst: Array, src: Array) -> Call:
        """Dst = function(src, other)."""
        bounds = _BOUNDS.get(BY_CODE[self.code].name)
        if bounds and not self.other.ndim and dst.size >= _CLIP_MIN and _all_float(dst, src):
            low, high = (self.other if bound is None else bound for bound in bounds)
            return lambda: np.clip(src, low, high, out=dst)
        return apply(BY_CODE[self.code], dst, *self.ordered(src, self.other))

    def wide(self, value: Array) -> Array:
        """The same of a float32 value, in float32."""
        return BY_CODE[self.code].evaluate(*self.ordered(value, self.other.astype(np.float32)))


def both(dst: Array, src: Array, one: Step, two: Step) -> Call:
    """Two functions: small floats stay float32 between them, so that they round once."""
    if not is_native(dst.dtype):
        return lambda: np.copyto(dst, two.wide(one.wide(src.astype(np.float32))), casting="unsafe")
    # What the second function also reads must outlive what the first one writes.
    if np.may_share_memory(dst, two.other) or is_spread(dst):
        return PerThread(lambda: _both(dst, src, one, two, room("between", dst.shape, dst.dtype)))
    return _both(dst, src, one, two, dst)


def _both(dst: Array, src: Array, one: Step, two: Step, between: Array) -> Call:
    first, second = one.call(between, src), two.call(dst, between)

    def run() -> None:
        first()
        second()

    return run


def convert(dst: Array, src: Array) -> Call:
    """Copy, converting by StableHLO's rules where a plain C cast would not follow them."""
    to, from_ = dst.dtype, src.dtype
    if to == from_ or (_is_float(to) and is_native(from_)) or (_is_float(to) and _is_float(from_)):
        return lambda: np.copyto(dst, src, casting="unsafe")
    return lambda: np.copyto(dst, cast(src, to))


def immediate(value: float, dtype: np.dtype) -> Array:
    """A constant in the operand's type."""
    if dtype.kind in "iu":
        return np.asarray(int(value)).astype(dtype)
    return np.asarray(value).astype(dtype)


def is_native(dtype: np.dtype) -> bool:
    """Whether NumPy computes in the type itself; the small floats go through float32."""
    return dtype.kind in "biu" or dtype == FLOAT


def _all_float(*arrays: Array) -> bool:
    return all(array.dtype == FLOAT for array in arrays)


def _is_float(dtype: np.dtype) -> bool:
    return dtype.kind in "fV" and dtype.name != "float8_e8m0fnu"
