"""One program, tried: compiled to bytes by neuronc, run twice, compared with XLA.

Exact results must be equal (NaN equals NaN, zeros of either sign are one). The others may differ by
what rounding does to them: XLA runs the same text in its own types and in float64, on the same
inputs and on some perturbed by a rounding error, and once more in float64 with a rounding error
added to every rounded value (`noise`); the largest difference between the first two runs, and
between the float64 runs, is one realisation of the error. Ours may be ten times that, plus 64
roundings of the result itself and of its root mean square, and 8 of its bound (which knows no
cancellation), in the program's coarsest float type.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import ml_dtypes
import numpy as np

from neuronc.artifact.container import read, to_bytes
from neuronc.dtypes import BY_NAME
from neuronc.pipeline import compile_artifact
from neuronc.runtime.program import Program as Runnable
from tests.fuzz.noise import noisy
from tests.fuzz.oracle import Array, compile_program, widened
from tests.fuzz.scope import Argument, Program
from tests.fuzz.values import FLOATS

PERTURBED_RUNS = 4
REALISATIONS = 10
ROUNDINGS = 64
BOUND_ROUNDINGS = 8


class Mismatch(AssertionError):
    """A result that does not hold."""

    def __init__(self, result: int, message: str) -> None:
        super().__init__(f"result {result}: {message}")


def trial(program: Program) -> None:
    """Raise what neuronc raises, or Mismatch."""
    inputs = draw_inputs(program)
    given = [x.copy() for x in inputs]
    runnable = Runnable(read(to_bytes(compile_artifact(program.text))))
    first = runnable(*given)
    second = runnable(*given)
    for i, (x, y) in enumerate(zip(inputs, given, strict=True)):
        if x.tobytes() != y.tobytes():
            raise Mismatch(-1, f"argument {i} was overwritten")
    for i, (x, y) in enumerate(zip(first, second, strict=True)):
        if x.tobytes() != y.tobytes():
            raise Mismatch(i, "two runs on the same inputs differ")
    judge(program, inputs, first)


def judge(program: Program, inputs: Sequence[Array], got: Sequence[Array]) -> None:
    """Compare with XLA."""
    reference = compile_program(program.text)
    want = reference(inputs)
    bounds = None
    for i, (g, w, value) in enumerate(zip(got, want, program.results, strict=True)):
        if g.shape != w.shape or g.dtype != w.dtype:
            raise Mismatch(i, f"{g.dtype}{g.shape}, expected {w.dtype}{w.shape}")
        if value.exact:
            bad = ~_equal(g, w)
        elif _is_close(g, w, _coarsest(program)):
            continue
        else:
            if "bitcast_convert" in program.text:
                continue  # It has no float64 form.
            bounds = bounds or _bounds(program, inputs, reference)
            limit, exact = bounds[i]
            # Whatever is not finite in float64 too depends on where a type overflows.
            with np.errstate(all="ignore"):
                apart = np.abs(_wide(g) - exact)
            bad = ~(apart <= limit) & np.isfinite(exact) & np.isfinite(_wide(w))
        if bad.any():
            at = np.unravel_index(int(np.argmax(bad)), bad.shape)
            place = tuple(map(int, at))
            kind = "exact" if value.exact else f"within {bounds[i][0][at]:.3g}"
            raise Mismatch(
                i,
                f"{int(bad.sum())} of {bad.size} wrong, {kind}, first at {place}: "
                f"got {g[at]}, expected {w[at]}",
            )


def _bounds(
    program: Program, inputs: Sequence[Array], reference: object
) -> list[tuple[Array, Array]]:
    """For every result, how far one may be from the float64 result, and that."""
    assert callable(reference)
    exact_run = compile_program(widened(program.text))
    noisy_run = compile_program(noisy(program.text))
    rng = np.random.default_rng(0)
    centre = exact_run([_widen(x) for x in inputs])
    spread = [np.zeros(x.shape) for x in centre]
    with np.errstate(all="ignore"):
        for k in range(PERTURBED_RUNS):
            near = [
                _perturb(x, a, rng) if k else x
                for x, a in zip(inputs, program.arguments, strict=True)
            ]
            rounded = reference(near)
            exact = exact_run([_widen(x) for x in near])
            noise = noisy_run([*map(_widen, near), np.float64(k)])
            for s, r, e, n, c in zip(spread, rounded, exact, noise, centre, strict=True):
                for x, y in ((r, e), (e, c), (n, e)):
                    np.maximum(s, np.nan_to_num(np.abs(_wide(x) - _wide(y))), out=s)
    eps = _coarsest(program)
    with np.errstate(all="ignore"):
        return [
            (
                REALISATIONS * s + ROUNDINGS * eps * _size(c) + BOUND_ROUNDINGS * eps * v.bound,
                _wide(c),
            )
            for s, c, v in zip(spread, centre, program.results, strict=True)
        ]


def _size(x: Array) -> Array:
    """Magnitude of each element plus that of all, where finite."""
    wide = np.abs(_wide(x))
    finite = wide[np.isfinite(wide)]
    return wide + (np.sqrt(np.mean(finite**2)) if finite.size else 0) + 1e-30


def draw_inputs(program: Program) -> list[Array]:
    """Data for the arguments, the same for the same program."""
    rng = np.random.default_rng(zlib.crc32(program.text.encode()))
    return [_data(a, rng) for a in program.arguments]


def _data(argument: Argument, rng: np.random.Generator) -> Array:
    kind, shape = argument.value.type.kind, argument.value.type.shape
    dtype = BY_NAME[kind].numpy
    if argument.data.startswith("index"):
        limit = int(argument.data.split()[1])
        low, high = -2, limit + 2
        if kind == "i8":
            high = min(high, 127)
        numbers = rng.integers(low, high + 1, shape)
        return np.asarray(np.maximum(numbers, 0) if kind.startswith("u") else numbers).astype(dtype)
    if kind == "i1":
        return np.asarray(rng.integers(0, 2, shape)).astype(dtype)
    if argument.data == "normal":
        return np.asarray(np.clip(rng.normal(size=shape), -4, 4)).astype(dtype)
    if argument.data == "special":
        numbers = np.array([0.0, -0.0, 1.0, -3.0, np.nan, np.inf, -np.inf, 2.0])
        return np.asarray(rng.choice(numbers, shape)).astype(dtype)
    if argument.data == "any":
        info = ml_dtypes.iinfo(dtype)
        return np.asarray(
            rng.integers(int(info.min), int(info.max), shape, endpoint=True, dtype=_any(kind))
        ).astype(dtype)
    low, high = (0, 8) if kind.startswith("u") else (-4, 4) if kind in FLOATS else (-8, 7)
    if kind in ("i4", "ui4"):
        high = 7
    return np.asarray(rng.integers(low, high + 1, shape)).astype(dtype)


def _any(kind: str) -> type:
    return np.uint64 if kind.startswith("u") else np.int64


def _perturb(x: Array, argument: Argument, rng: np.random.Generator) -> Array:
    """Each normal float one or two roundings away."""
    if argument.data != "normal":
        return x
    step = rng.integers(-2, 3, x.shape) * _epsilon(x.dtype)
    return (x.astype(np.float64) * (1 + step)).astype(x.dtype)


def _widen(x: Array) -> Array:
    return x.astype(np.float64) if _is_float(x) else x


def _wide(x: Array) -> Array:
    return x.astype(np.float64)


def _is_float(x: Array) -> bool:
    return x.dtype.kind in "f" or x.dtype == ml_dtypes.bfloat16


def _equal(x: Array, y: Array) -> Array:
    same = np.asarray(x == y)
    return same | (np.asarray(x != x) & np.asarray(y != y))


def _is_close(x: Array, y: Array, epsilon: float) -> bool:
    """Whether a float64 run can be spared: everything is within the least that is allowed."""
    with np.errstate(all="ignore"):
        near = np.abs(_wide(x) - _wide(y)) <= ROUNDINGS * epsilon * np.abs(_wide(y))
    return bool(np.all(near | _equal(x, y)))


def _coarsest(program: Program) -> float:
    kinds = [k for k in FLOATS if f"x{k}>" in program.text or f"<{k}>" in program.text]
    return max((_epsilon(BY_NAME[k].numpy) for k in kinds), default=0.0)


def _epsilon(dtype: np.dtype[np.generic]) -> float:
    return float(ml_dtypes.finfo(dtype).eps)
