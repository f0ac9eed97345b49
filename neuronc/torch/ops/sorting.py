"""Order: sort, top-k, and Fourier transforms, which run in the library as they do."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt

from jaxlib.mlir.dialects import stablehlo

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, element_of, shape_of
from neuronc.torch.building.values import int_array as _array
from neuronc.torch.scope import Scope, axis
from neuronc.torch.table import aten


def _ordered(s: Scope, x: Value, dim: int, descending: bool) -> list[Value]:
    """The sorted values and where each came from."""
    if not shape_of(x):
        return [x, s.b.splat(0, (), "i32")]
    at = axis(dim, x)
    return s.b.sort([x, s.b.iota(shape_of(x), at, "i32")], at, descending)


@aten("sort")
def sort(s: Scope, x: Value, dim: int = -1, descending: bool = False) -> list[Value]:
    """Sorted along a dimension, and the order."""
    return _ordered(s, x, dim, descending)


@aten("sort.stable")
def sort_stable(
    s: Scope, x: Value, *, stable: bool | None = None, dim: int = -1, descending: bool = False
) -> list[Value]:
    """The same; ours is always stable."""
    return _ordered(s, x, dim, descending)


@aten("argsort", "argsort.stable")
def argsort(s: Scope, x: Value, *args: object, **more: object) -> Value:
    """The order."""
    listed = [a for a in args if not isinstance(a, bool)]
    dim = more.get("dim", listed[0] if listed else -1)
    flags = [a for a in args if isinstance(a, bool)]
    descending = more.get("descending", flags[-1] if flags else False)
    assert isinstance(dim, int)
    return _ordered(s, x, dim, bool(descending))[1]


@aten("topk")
def topk(
    s: Scope, x: Value, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> list[Value]:
    """The k best along a dimension, best first, and where they are."""
    found = _ordered(s, x, dim, largest)
    if not shape_of(x):
        return found
    return [s.b.slice_dim(v, axis(dim, x), 0, k) for v in found]


@aten("kthvalue")
def kthvalue(s: Scope, x: Value, k: int, dim: int = -1, keepdim: bool = False) -> list[Value]:
    """The k-th smallest along a dimension, and where it is."""
    found = _ordered(s, x, dim, False)
    if not shape_of(x):
        return found
    at = axis(dim, x)
    return [_shaped(s, s.b.slice_dim(v, at, k - 1, k), i) for i, v in enumerate(found)]


def _shaped(s: Scope, x: Value, index: int) -> Value:
    spec = s.outs[index]
    assert spec is not None
    return s.b.reshape(x, spec.shape)


def _scaled(b: Build, x: Value, normalization: int, count: int) -> Value:
    """Torch's modes: 0 none, 1 by the root of the count, 2 by the count."""
    factor = {0: 1.0, 1: 1 / sqrt(count), 2: 1 / count}[normalization]
    return x if factor == 1.0 else b.multiply(x, b.like(factor, x))


def _transformed(
    s: Scope, x: Value, dims: Sequence[int], kind: str, lengths: Sequence[int], element: str,
    shape: tuple[int, ...],
) -> Value:  # fmt: skip
    """A transform of some dimensions, which are moved to the end and back."""
    b, rank = s.b, len(shape_of(x))
    listed = [axis(d, x) for d in dims]
    order = [d for d in range(rank) if d not in listed] + listed
    moved = b.transpose(x, order)
    made = b.one(
        "fft",
        [moved],
        tuple(shape[d] for d in order),
        element,
        fft_type=stablehlo.FftTypeAttr.get(kind),
        fft_length=_array(lengths),
    )
    return b.transpose(made, [order.index(d) for d in range(rank)])


@aten("_fft_r2c")
def fft_r2c(s: Scope, x: Value, dim: Sequence[int], normalization: int, onesided: bool) -> Value:
    """The Fourier transform of real values; one half of the last dimension, or all."""
    b, shape = s.b, shape_of(x)
    count = prod(shape[d] for d in dim)
    if onesided:
        made = _transformed(s, x, dim, "RFFT", [shape[d] for d in dim], s.out.element, s.out.shape)
    else:
        zeros = b.one("complex", [x, b.like(0, x)], shape, s.out.element)
        made = _transformed(
            s, zeros, dim, "FFT", [shape[d] for d in dim], s.out.element, s.out.shape
        )
    return _scaled(b, made, normalization, count)


@aten("_fft_c2r")
def fft_c2r(s: Scope, x: Value, dim: Sequence[int], normalization: int, last: int) -> Value:
    """Back to real values, of which the last dimension has a given extent."""
    lengths = [*(shape_of(x)[d] for d in dim[:-1]), last]
    made = _transformed(s, x, dim, "IRFFT", lengths, s.out.element, s.out.shape)
    count = prod(lengths)
    return _scaled(s.b, s.b.multiply(made, s.b.like(count, made)), normalization, count)


@aten("_fft_c2c")
def fft_c2c(s: Scope, x: Value, dim: Sequence[int], normalization: int, forward: bool) -> Value:
    """The Fourier transform of complex values, or its inverse."""
    lengths = [shape_of(x)[d] for d in dim]
    kind = "FFT" if forward else "IFFT"
    made = _transformed(s, x, dim, kind, lengths, element_of(x), s.out.shape)
    count = prod(lengths)
    made = made if forward else s.b.multiply(made, s.b.like(count, made))
    return _scaled(s.b, made, normalization, count)
