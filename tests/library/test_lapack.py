"""LAPACK calls against what the factors must satisfy, and SciPy's LAPACK."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.linalg.lapack as reference

from neuronc.numerics.casting import Array
from neuronc.runtime.lapack_targets import TARGETS
from neuronc.runtime.library import LIBRARY, ResultType
from neuronc.runtime.library.lapack import ROUTINES

RNG = np.random.default_rng(0)
# float32 results of float64 arithmetic, on matrices with entries near 1
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def call(name: str, operands: list[Array], results: list[tuple[object, type]], **options: int):
    params = {"call_target_name": f"lapack_{name}_ffi", "backend_config": json.dumps(options)}
    types = [ResultType(tuple(np.atleast_1d(s).tolist()), np.dtype(d)) for s, d in results]
    return LIBRARY["custom_call"](params, operands, types)


def matrices(*shape: int, dtype: type = np.float32) -> Array:
    x = RNG.normal(size=shape)
    return (
        (x + 1j * RNG.normal(size=shape)).astype(dtype)
        if dtype == np.complex64
        else x.astype(dtype)
    )


def adjoint(x: Array) -> Array:
    return np.conj(np.swapaxes(x, -1, -2))


def test_getrf_agrees_with_lapack() -> None:
    a = matrices(3, 5, 5)
    lu, pivots, info = call(
        "sgetrf", [a], [((3, 5, 5), np.float32), ((3, 5), np.int32), (3, np.int32)]
    )
    for i in range(3):
        want, order, _ = reference.sgetrf(a[i])
        np.testing.assert_allclose(lu[i], want, **CLOSE)
        np.testing.assert_array_equal(pivots[i], order + 1)
    assert not info.any()


def test_getrf_reports_a_singular_matrix() -> None:
    a = np.zeros((1, 3, 3), np.float32)
    _, _, info = call("sgetrf", [a], [((1, 3, 3), np.float32), ((1, 3), np.int32), (1, np.int32)])
    assert info[0] == 1


@pytest.mark.parametrize("shape", [(5, 5), (6, 4), (4, 6)])
@pytest.mark.parametrize(("letter", "dtype"), [("s", np.float32), ("c", np.complex64)])
def test_geqrf_agrees_with_lapack(shape: tuple[int, int], letter: str, dtype: type) -> None:
    a = matrices(2, *shape, dtype=dtype)
    k = min(shape)
    packed, factors = call(f"{letter}geqrf", [a], [((2, *shape), dtype), ((2, k), dtype)])
    for i in range(2):
        want, tau, *_ = getattr(reference, f"{letter}geqrf")(a[i])
        np.testing.assert_allclose(packed[i], want, **CLOSE)
        np.testing.assert_allclose(factors[i], tau, **CLOSE)
    name = "sorgqr" if letter == "s" else "cungqr"
    columns = packed[..., :k]
    (q,) = call(name, [columns, factors], [(columns.shape, dtype)])
    np.testing.assert_allclose(q @ np.triu(packed[..., :k, :]), a, **CLOSE)


@pytest.mark.parametrize("uplo", "LU")
def test_potrf_keeps_the_other_triangle(uplo: str) -> None:
    root = matrices(2, 4, 4)
    a = root @ adjoint(root) + 4 * np.eye(4, dtype=np.float32)
    factor, info = call("spotrf", [a], [((2, 4, 4), np.float32), (2, np.int32)], uplo=ord(uplo))
    lower = np.tril(factor) if uplo == "L" else adjoint(np.triu(factor))
    np.testing.assert_allclose(lower @ adjoint(lower), a, **CLOSE)
    other = np.triu_indices(4, 1) if uplo == "L" else np.tril_indices(4, -1)
    np.testing.assert_array_equal(factor[:, *other], a[:, *other])
    assert not info.any()


def test_trsm_solves() -> None:
    a, b = matrices(2, 4, 4) + 3 * np.eye(4, dtype=np.float32), matrices(2, 4, 3)
    options = {"side": ord("L"), "uplo": ord("U"), "trans_x": ord("T"), "diag": ord("N")}
    (x,) = call("strsm", [a, b], [(b.shape, np.float32)], **options)
    np.testing.assert_allclose(adjoint(np.triu(a)) @ x, b, **CLOSE)


@pytest.mark.parametrize(("name", "dtype"), [("ssyevd", np.float32), ("cheevd", np.complex64)])
def test_syevd_decomposes(name: str, dtype: type) -> None:
    a = matrices(2, 4, 4, dtype=dtype)
    a = a + adjoint(a)
    types = [((2, 4, 4), dtype), ((2, 4), np.float32), (2, np.int32)]
    vectors, values, _ = call(name, [a], types, uplo=ord("L"), mode=ord("V"))
    np.testing.assert_allclose(a @ vectors, vectors * values[:, None], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("mode", "ASN")
def test_gesdd_decomposes(mode: str) -> None:
    a = matrices(2, 5, 3)
    left = (2, 5, 5) if mode == "A" else (2, 5, 3)
    types = [(a.shape, np.float32), ((2, 3), np.float32), (left, np.float32)]
    types += [((2, 3, 3), np.float32), (2, np.int32)]
    _, values, u, v, _ = call("sgesdd", [a], types, mode=ord(mode))
    np.testing.assert_allclose(values, np.linalg.svd(a, compute_uv=False), **CLOSE)
    if mode != "N":
        np.testing.assert_allclose((u[..., :3] * values[:, None]) @ v, a, **CLOSE)


def test_geev_decomposes() -> None:
    a = matrices(2, 4, 4)
    types = [((2, 4), np.float32)] * 2 + [((2, 4, 4), np.complex64)] * 2 + [(2, np.int32)]
    real, imaginary, left, right, _ = call(
        "sgeev", [a], types, compute_left=ord("V"), compute_right=ord("V")
    )
    values = (real + 1j * imaginary)[:, None]
    np.testing.assert_allclose(a @ right, right * values, rtol=1e-3, atol=1e-4)
    turned = adjoint(left) @ a
    np.testing.assert_allclose(turned, adjoint(left * np.conj(values)), rtol=1e-3, atol=1e-4)


def test_gehrd_agrees_with_lapack() -> None:
    a = matrices(5, 5)
    types = [(a.shape, np.float32), (4, np.float32), ((), np.int32)]
    h, factors, _ = call("sgehrd", [a], [types[0], types[1], ((1,), np.int32)][:3], low=1, high=5)
    want, tau, _ = reference.sgehrd(a)
    np.testing.assert_allclose(h, want, **CLOSE)
    np.testing.assert_allclose(factors, tau, **CLOSE)


def test_gtsv_solves() -> None:
    lower, middle, upper = matrices(4), matrices(4) + 5, matrices(4)
    b = matrices(4, 2)
    types = [((4,), np.float32)] * 3 + [((4, 2), np.float32), ((), np.int32)]
    types[-1] = ((1,), np.int32)
    *_, x, _ = call("sgtsv", [lower, middle, upper, b], types)
    a = np.diag(middle) + np.diag(lower[1:], -1) + np.diag(upper[:-1], 1)
    np.testing.assert_allclose(a @ x, b, **CLOSE)


def test_every_routine_that_is_promised_is_there() -> None:
    """`check` accepts a target by its name alone, without importing the library."""
    assert set(TARGETS.values()) == set(ROUTINES)
