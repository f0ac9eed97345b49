"""Resizing images: by one matrix a dimension, or by taking the nearest elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import floor
from typing import Any, cast

import numpy as np

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, element_of, shape_of
from neuronc.torch.ops.indexing import take
from neuronc.torch.ops.pooling import Matrix, apply_matrix
from neuronc.torch.scope import Scope, opmath
from neuronc.torch.table import Emitter, aten


def _scales(s: Scope, x: Value, args: Sequence[Any], more: dict[str, Any]) -> list[float | None]:
    """The factor of each dimension that the caller gave, for source coordinates."""
    rank = len(shape_of(x)) - 2
    given: list[Any] = [*args, *more.values()]
    for value in reversed(given):
        if isinstance(value, list | tuple) and value and isinstance(value[0], float):
            return [float(factor) for factor in cast(Sequence[float], value)]
    floats: list[float | None] = [g for g in given if isinstance(g, float)]
    return floats if len(floats) == rank else [None] * rank


def _ratio(extent: int, out: int, scale: float | None) -> float:
    """How far the source moves for one step of the result, without aligned corners."""
    return 1 / scale if scale else extent / out


def _nearest(exact: bool) -> Emitter:
    def emit(s: Scope, x: Value, *args: Any, **more: Any) -> Value:
        b, y = s.b, x
        for d, scale in enumerate(_scales(s, x, args, more)):
            dim = 2 + d
            n, m = shape_of(x)[dim], s.out.shape[dim]
            ratio, shift = _ratio(n, m, scale), 0.5 if exact else 0.0
            at = [
                min(max(floor(np.float32((o + shift) * np.float32(ratio))), 0), n - 1)
                for o in range(m)
            ]
            y = _repeated(b, y, dim, at)
        return y

    return emit


def _repeated(b: Build, x: Value, dim: int, at: list[int]) -> Value:
    """The entries `at` of a dimension; whole multiples as a broadcast."""
    n, shape = shape_of(x)[dim], shape_of(x)
    times = len(at) // n
    if at == [i // times for i in range(n * times)] if times else False:
        wide = (*shape[: dim + 1], times, *shape[dim + 1 :])
        kept = [d if d <= dim else d + 1 for d in range(len(shape))]
        made = b.broadcast_in_dim(x, wide, kept)
        return b.reshape(made, (*shape[:dim], n * times, *shape[dim + 1 :]))
    return take(b, x, b.array(np.array(at, np.int32)), dim)


for _rank in (1, 2, 3):
    aten(f"upsample_nearest{_rank}d", f"upsample_nearest{_rank}d.vec")(_nearest(False))
    aten(f"_upsample_nearest_exact{_rank}d", f"_upsample_nearest_exact{_rank}d.vec")(_nearest(True))


def _source(o: int, n: int, m: int, align: bool, scale: float | None, clip: bool) -> float:
    """Where an entry of the result lies in the source."""
    if align:
        return o * (n - 1) / (m - 1) if m > 1 else 0.0
    at = (o + 0.5) * _ratio(n, m, scale) - 0.5
    return max(at, 0.0) if clip else at


def linear_matrix(n: int, m: int, align: bool, scale: float | None) -> Matrix:
    """The two neighbours of every entry, by distance."""
    matrix = np.zeros((m, n))
    for o in range(m):
        at = _source(o, n, m, align, scale, True)
        left = min(int(at), n - 1)
        weight = at - left
        matrix[o, left] += 1 - weight
        matrix[o, min(left + 1, n - 1)] += weight
    return matrix


def cubic_matrix(n: int, m: int, align: bool, scale: float | None) -> Matrix:
    """The four neighbours of every entry, by Keys' cubic with a = -0.75."""
    a, matrix = -0.75, np.zeros((m, n))
    for o in range(m):
        at = _source(o, n, m, align, scale, False)
        left = floor(at)
        for k in range(-1, 3):
            t = abs(at - (left + k))
            if t <= 1:
                weight = ((a + 2) * t - (a + 3)) * t * t + 1
            else:
                weight = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
            matrix[o, min(max(left + k, 0), n - 1)] += weight
    return matrix


def _antialiased(n: int, m: int, align: bool, scale: float | None, cubic: bool) -> Matrix:
    """The same kernels, widened to the step where the image shrinks, each row summing to 1."""
    ratio = ((n - 1) / (m - 1) if m > 1 else 0.0) if align else _ratio(n, m, scale)
    support = (2.0 if cubic else 1.0) * max(ratio, 1.0)
    matrix, a = np.zeros((m, n)), -0.5
    for o in range(m):
        center = ratio * (o + 0.5)
        start, stop = max(int(center - support + 0.5), 0), min(int(center + support + 0.5), n)
        t = np.abs((np.arange(start, stop) - center + 0.5) / max(ratio, 1.0))
        near = ((a + 2) * t - (a + 3)) * t * t + 1
        far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
        curve = np.where(t < 1, near, np.where(t < 2, far, 0)) if cubic else np.maximum(1 - t, 0)
        matrix[o, start:stop] = curve / curve.sum()
    return matrix


def _interpolated(kind: str) -> Emitter:
    def emit(s: Scope, x: Value, size: Any, align: bool, *args: Any, **more: Any) -> Value:
        scales = _scales(s, x, args, more)
        matrices = [
            _MATRICES[kind](shape_of(x)[2 + d], s.out.shape[2 + d], align, scale)
            for d, scale in enumerate(scales)
        ]
        if element_of(x) == "ui8":
            return s.narrow(_of_bytes(s.b, s.b.convert(x, "f32"), matrices))
        y = s.b.convert(x, opmath(element_of(x)))
        for d, matrix in enumerate(matrices):
            y = apply_matrix(s.b, y, 2 + d, matrix)
        return s.narrow(y)

    return emit


def _of_bytes(b: Build, x: Value, matrices: Sequence[Matrix]) -> Value:
    """Rows first, and after each dimension rounded into a byte, as torch's kernel does.

    That one multiplies by weights of 16 bits, so that a result that lies between two bytes may be
    the other one.
    """
    for d in reversed(range(len(matrices))):
        y = apply_matrix(b, x, 2 + d, matrices[d])
        y = b.unary("floor", b.add(y, b.like(0.5, y)))
        x = b.binary("minimum", b.maximum(y, b.like(0, y)), b.like(255, y))
    return x


_MATRICES: dict[str, Callable[[int, int, bool, float | None], Matrix]] = {
    "linear": linear_matrix,
    "cubic": cubic_matrix,
    "linear_aa": partial(_antialiased, cubic=False),
    "cubic_aa": partial(_antialiased, cubic=True),
}
for _names, _kind in {
    ("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d"): "linear",
    ("upsample_bicubic2d",): "cubic",
    ("_upsample_bilinear2d_aa",): "linear_aa",
    ("_upsample_bicubic2d_aa",): "cubic_aa",
}.items():
    for _name in _names:
        aten(_name, f"{_name}.vec")(_interpolated(_kind))


def _gradient(kind: str) -> Emitter:
    """Of what one matrix a dimension makes: the transposed ones."""

    def emit(
        s: Scope, grad: Value, out: object, size: Sequence[int], align: bool, *scales: Any
    ) -> Value:
        g = s.b.convert(grad, opmath(element_of(grad)))
        for d, scale in enumerate(scales or (None, None)):
            n, m = size[2 + d], shape_of(grad)[2 + d]
            g = apply_matrix(s.b, g, 2 + d, _MATRICES[kind](n, m, align, scale).T)
        return s.narrow(g)

    return emit


aten("_upsample_bilinear2d_aa_backward")(_gradient("linear_aa"))
aten("_upsample_bicubic2d_aa_backward")(_gradient("cubic_aa"))
