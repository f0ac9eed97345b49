"""Values that come from nothing: ranges, fills; and checks that hold at compile time."""

from __future__ import annotations

from math import prod

from neuronc.torch.building.values import Value, shape_of
from neuronc.torch.elements import is_float
from neuronc.torch.scope import Scope
from neuronc.torch.table import Number, Operand, aten, prims


def counted(s: Scope, start: Number, step: Number) -> Value:
    """Start + k step, along one dimension."""
    b, shape, element = s.b, s.out.shape, s.out.element
    kind = "f32" if is_float(element) and element != "f64" else element
    index = b.iota(shape, 0, "i32" if not is_float(kind) else kind)
    index = b.convert(index, kind)
    scaled = b.multiply(index, b.like(step, index)) if step != 1 else index
    return s.narrow(b.add(scaled, b.like(start, index)) if start else scaled)


@aten("arange", "arange.start", "arange.start_step")
def arange(s: Scope, *args: Number, **_: object) -> Value:
    """start, start + step, ... before end."""
    start = args[0] if len(args) > 1 else 0
    return counted(s, start, args[2] if len(args) > 2 else 1)


@prims("iota")
def iota(s: Scope, length: int, start: int = 0, step: int = 1, **_: object) -> Value:
    """Start + k step, for so many k."""
    return counted(s, start, step)


@aten("full")
def full(s: Scope, size: object, value: Operand, **_: object) -> Value:
    """One value everywhere."""
    return s.fit(value)


@aten("full_like", "fill.Scalar", "fill.Tensor")
def full_like(s: Scope, x: Value, value: Operand, **_: object) -> Value:
    """One value in the shape of x."""
    return s.fit(value)


@aten("new_full")
def new_full(s: Scope, x: Value, size: object, value: Operand, **_: object) -> Value:
    """One value everywhere."""
    return s.fit(value)


@aten(
    "zeros", "zeros_like", "new_zeros", "empty.memory_format", "empty_strided", "empty_like",
    "new_empty", "new_empty_strided", "empty_permuted",
)  # fmt: skip
def zeros(s: Scope, *_: object, **__: object) -> Value:
    """Zeros, also for memory whose contents nobody may rely on."""
    return s.fit(0)


@aten("ones", "ones_like", "new_ones")
def ones(s: Scope, *_: object, **__: object) -> Value:
    """Ones."""
    return s.fit(1)


@prims("scalar_tensor")
@aten("scalar_tensor")
def scalar_tensor(s: Scope, value: Number, **_: object) -> Value:
    """One number."""
    return s.fit(value)


@aten("eye", "eye.m")
def eye(s: Scope, *_: object, **__: object) -> Value:
    """Ones on the diagonal."""
    b, shape = s.b, s.out.shape
    same = b.compare("EQ", b.iota(shape, 0, "i32"), b.iota(shape, 1, "i32"))
    return b.convert(same, s.out.element)


@aten("linspace")
def linspace(s: Scope, start: float, end: float, steps: int, **_: object) -> Value:
    """Evenly spaced numbers, counted from the nearer end as torch does."""
    b, (n,) = s.b, s.out.shape
    kind = "f64" if s.out.element == "f64" else "f32"
    step = (end - start) / (n - 1) if n > 1 else 0.0
    index = b.convert(b.iota((n,), 0, "i32"), kind)
    rest = b.subtract(b.like(n - 1, index), index)
    up = b.add(b.multiply(index, b.like(step, index)), b.like(start, index))
    down = b.subtract(b.like(end, index), b.multiply(rest, b.like(step, index)))
    first = b.compare("LT", index, b.like(max(n // 2, 1), index))
    return s.narrow(b.select(first, up, down))


@aten(
    "_assert_async", "_assert_async.msg", "_assert_scalar", "_assert_tensor_metadata",
    "sym_constrain_range", "sym_constrain_range_for_size", "_functional_assert_async.msg",
    "_linalg_check_errors",
)  # fmt: skip
def checked(s: Scope, *_: object, **__: object) -> None:
    """What torch checks, and the program does not compute."""


@aten("sym_size.int")
def sym_size(s: Scope, x: Value, dim: int) -> int:
    """An extent."""
    return shape_of(x)[dim]


@aten("sym_numel")
def sym_numel(s: Scope, x: Value) -> int:
    """How many elements there are."""
    return prod(shape_of(x))


def _row_major(x: Value) -> list[int]:
    shape = shape_of(x)
    return [prod(shape[d + 1 :]) for d in range(len(shape))]


@aten("sym_stride.int")
def sym_stride(s: Scope, x: Value, dim: int) -> int:
    """How far one step along a dimension is, row by row."""
    return _row_major(x)[dim]


@aten("sym_storage_offset")
def sym_storage_offset(s: Scope, x: Value) -> int:
    """Every value starts at its own first element."""
    return 0
