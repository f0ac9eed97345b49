"""Functions of JAX's own libraries, compiled, run from the artifact's bytes, against JAX."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from neuronc.artifact.container import read, to_bytes
from neuronc.pipeline import compile_artifact
from neuronc.runtime.program import Program

Function = Callable[[jax.Array], object]
RNG = np.random.default_rng(5)
SQUARE = RNG.normal(size=(4, 4)).astype(np.float32)

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
"""Sums of a few dozen terms of unit size in float32."""


def run(function: Function, *arguments: np.ndarray) -> list[np.ndarray]:
    """The results of `function` as neuronc computes them."""
    lowered = jax.jit(function, keep_unused=True).lower(*arguments)
    return Program(read(to_bytes(compile_artifact(lowered))))(*arguments)


def same_as_jax(function: Function, *arguments: np.ndarray, **tolerance: float) -> None:
    got = run(function, *arguments)
    want = [np.asarray(x) for x in jax.tree.leaves(jax.jit(function)(*arguments))]
    assert [(g.shape, g.dtype) for g in got] == [(w.shape, w.dtype) for w in want]
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, **(CLOSE | tolerance))


FUNCTIONS: dict[str, Function] = {
    "associative_scan": lambda x: lax.associative_scan(jnp.add, x),
    "searchsorted": lambda x: jnp.searchsorted(jnp.sort(x[0]), x[1]),
    "interp": lambda x: jnp.interp(x[0], jnp.arange(4.0), x[1]),
    "median": jnp.median,
    "quantile": lambda x: jnp.quantile(x, 0.3),
    "histogram": lambda x: jnp.histogram(x, bins=4)[0],
    "unique": lambda x: jnp.unique(x, size=3),
    "convolve": lambda x: jnp.convolve(x[0], x[1]),
    "roll": lambda x: jnp.roll(x, 2, 0),
    "cumulative": lambda x: (jnp.cumsum(x, 0), jnp.cumprod(x, 1), lax.cumlogsumexp(x)),
    "one element set to a constant": lambda x: (x.at[1, 2].set(1.0), x.at[3, 0].add(2.0)),
    "one_hot": lambda x: jax.nn.one_hot(jnp.argmax(x, 1), 4),
    "top_k": lambda x: lax.top_k(x, 2),
    "sort": lambda x: (jnp.sort(x), jnp.argsort(x)),
    "random": lambda x: x + jax.random.normal(jax.random.key(1), (4, 4)),
    "categorical": lambda x: jax.random.categorical(jax.random.key(1), x),
    "permutation": lambda x: jax.random.permutation(jax.random.key(1), x),
    "scan": lambda x: lax.scan(lambda c, r: (c + r, c * r), x[0], x),
    "map": lambda x: lax.map(lambda r: (r * r).sum(), x),
    "cond": lambda x: lax.cond(x.sum() > 0, jnp.sin, jnp.cos, x),
    "switch": lambda x: lax.switch(2, [jnp.sin, jnp.cos, jnp.tan], x),
    "fori_loop": lambda x: lax.fori_loop(0, 3, lambda i, c: c.at[i].add(c[(i + 1) % 4]), x),
    "vmap of while_loop": jax.vmap(
        lambda x: lax.while_loop(lambda c: c.sum() < 10, lambda c: c + jnp.abs(c) + 0.1, x)
    ),
    "gradient of a pool": jax.grad(
        lambda x: lax.reduce_window(x, -np.inf, lax.max, (2, 2), (1, 1), "VALID").sum()
    ),
    "gradient of a checkpoint": jax.grad(jax.checkpoint(lambda x: jnp.tanh(x @ x).sum())),
    "fft": lambda x: jnp.abs(jnp.fft.fft2(x)),
    "special": lambda x: (lax.lgamma(x), lax.digamma(jnp.abs(x)), lax.bessel_i1e(x), lax.erf(x)),
    "incomplete": lambda x: (
        lax.igamma(jnp.abs(x), x * x),
        lax.betainc(jnp.abs(x) + 1, x * x + 1, jnp.full_like(x, 0.5)),
    ),
    "zeta": lambda x: lax.zeta(jnp.abs(x) + 2, x * x + 1),
    "polygamma": lambda x: lax.polygamma(jnp.ones_like(x), jnp.abs(x) + 1),
    "nextafter": lambda x: jnp.nextafter(x, x + 1),
    "gamma": lambda x: jax.random.gamma(jax.random.key(0), jnp.abs(x)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_jax(name: str) -> None:
    tolerance = {"rtol": 2e-4} if name == "incomplete" else {}  # Long series in float32.
    same_as_jax(FUNCTIONS[name], SQUARE, **tolerance)


@pytest.mark.parametrize("kind", ["threefry2x32", "philox4x32", "rbg", "unsafe_rbg"])
def test_keys_are_those_of_jax(kind: str) -> None:
    """Philox is rounds of long multiplications, which once were grouped into a cycle of kernels."""

    def split(number: jax.Array) -> list[jax.Array]:
        keys = jax.random.split(jax.random.key(number, impl=kind), 5)
        return [jax.random.key_data(keys), jax.random.bits(keys[1], (7,))]

    number = np.uint32(3)
    for got, want in zip(run(split, number), jax.jit(split)(number), strict=True):
        np.testing.assert_array_equal(got, want)


def test_arg_reductions_of_no_lanes() -> None:
    same_as_jax(lambda x: lax.argmax(x[:0], 1, np.int32), SQUARE)


POSITIVE = (SQUARE @ SQUARE.T + 4 * np.eye(4)).astype(np.float32)
TALL = RNG.normal(size=(2, 5, 3)).astype(np.float32)

UNIQUE: dict[str, tuple[Function, np.ndarray]] = {
    "singular values": (lambda x: jnp.linalg.svd(x, compute_uv=False), TALL),
    "eigenvalues": (jnp.linalg.eigvalsh, POSITIVE),
    "cholesky": (jnp.linalg.cholesky, POSITIVE),
    "gradient of cholesky": (jax.grad(lambda x: jnp.linalg.cholesky(x).sum()), POSITIVE),
    "lu": (jax.scipy.linalg.lu, SQUARE),
    "solve": (lambda x: jnp.linalg.solve(x, x.T + 1), SQUARE),
    "complex solve": (lambda x: jnp.linalg.solve(x + 1j * x.T, x + 0j), SQUARE),
    "inverse": (jnp.linalg.inv, POSITIVE),
    "determinant": (jnp.linalg.slogdet, SQUARE),
    "pseudo-inverse": (jnp.linalg.pinv, TALL),
    "least squares": (lambda x: jnp.linalg.lstsq(x, x[:, :2])[0], POSITIVE),
    "matrix exponential": (jax.scipy.linalg.expm, SQUARE),
    "triangular": (lambda x: jax.scipy.linalg.solve_triangular(x, x.T, lower=True), POSITIVE),
    "by cholesky": (
        lambda x: jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(x), x[:, :2]),
        POSITIVE,
    ),
    "polynomial": (lambda x: jnp.polyfit(x[0], x[1], 2), SQUARE),
    "spectral norm": (lambda x: jnp.linalg.norm(x, 2), SQUARE),
    "batched eigenvalues": (jax.vmap(jnp.linalg.eigvalsh), np.stack([POSITIVE, 2 * POSITIVE])),
    "tridiagonal": (lambda x: lax.linalg.tridiagonal_solve(x[0], x[1] + 9, x[2], x), SQUARE),
    "tridiagonal form": (lax.linalg.tridiagonal, POSITIVE),
    "upper tridiagonal form": (lambda x: lax.linalg.tridiagonal(x, lower=False), POSITIVE),
    "complex tridiagonal form": (
        lambda x: lax.linalg.tridiagonal(x + 1j * (x[0][:, None] - x[0])),
        POSITIVE,
    ),
    "square root of a matrix": (jax.scipy.linalg.sqrtm, POSITIVE),
    "function of a matrix": (lambda x: jax.scipy.linalg.funm(x, jnp.sin), POSITIVE),
    "pivoted qr": (
        lambda x: [jnp.abs(part) for part in lax.linalg.qr(x, pivoting=True)],
        SQUARE,
    ),
    "lu of no rows": (lambda x: lax.linalg.lu(x[:0]), SQUARE),
    "determinant of nothing": (lambda x: jnp.linalg.det(x[:0, :0]), SQUARE),
    "what does not converge": (
        lambda x: (jnp.linalg.svd(x * jnp.nan, compute_uv=False), jnp.linalg.eigh(x * jnp.nan)),
        POSITIVE,
    ),
    "product of reflectors": (lambda x: lax.linalg.householder_product(x, x[0] / 9), SQUARE),
    "approximate top k": (lambda x: lax.approx_max_k(x, 2), TALL),
    "approximate bottom k": (lambda x: lax.approx_min_k(x, 2, reduction_dimension=1), TALL),
}
"""Functions with one right answer."""


@pytest.mark.parametrize("name", UNIQUE)
def test_linear_algebra(name: str) -> None:
    function, x = UNIQUE[name]
    # Two algorithms in float32 on matrices of condition up to a few hundred.
    same_as_jax(function, x, rtol=1e-3, atol=2e-4)


ROUNDED = {"rtol": 1e-4, "atol": 1e-4}
"""Products of a handful of matrices of unit size in float32."""


@pytest.mark.parametrize("full", [False, True])
def test_singular_vectors_rebuild_the_matrix(full: bool) -> None:
    u, s, v = run(lambda x: jnp.linalg.svd(x, full_matrices=full), TALL)
    assert u.shape == (2, 5, 5 if full else 3)
    np.testing.assert_allclose((u[..., :3] * s[:, None]) @ v, TALL, **ROUNDED)
    np.testing.assert_allclose(u.swapaxes(1, 2) @ u, np.stack([np.eye(u.shape[2])] * 2), **ROUNDED)


def test_eigenvectors_diagonalise() -> None:
    values, vectors = run(jnp.linalg.eigh, POSITIVE)
    np.testing.assert_allclose(vectors @ np.diag(values) @ vectors.T, POSITIVE, **ROUNDED)
    values, vectors = run(jnp.linalg.eig, SQUARE)
    np.testing.assert_allclose(SQUARE @ vectors, vectors * values, **ROUNDED)


@pytest.mark.parametrize("mode", ["reduced", "complete"])
def test_qr_rebuilds_the_matrix(mode: str) -> None:
    q, r = run(lambda x: jnp.linalg.qr(x, mode), TALL)
    np.testing.assert_allclose(q @ r, TALL, **ROUNDED)
    assert np.all(np.tril(r, -1) == 0)


@pytest.mark.parametrize("output", ["real", "complex"])
def test_schur_rebuilds_the_matrix(output: str) -> None:
    t, z = run(lambda x: jax.scipy.linalg.schur(x, output=output), SQUARE)
    np.testing.assert_allclose(z @ t @ np.conj(z).T, SQUARE, **ROUNDED)
    np.testing.assert_allclose(z @ np.conj(z).T, np.eye(4), **ROUNDED)
    below = 1 if output == "complex" else 2
    assert np.all(np.tril(t, -below) == 0)


def moved(x: jax.Array) -> object:
    """Every operation that only moves, on an array of no dimensions."""
    return [
        lax.pad(x, 2 * x, []),
        lax.rev(x, ()),
        lax.slice(x, (), ()),
        lax.dynamic_slice(x, (), ()),
        lax.dynamic_update_slice(x, x + 1, ()),
        lax.transpose(x, ()),
        lax.broadcast_in_dim(x, (2, 3), ()),
    ]


@pytest.mark.parametrize("dtype", ["float32", "int8", "float64"])
def test_movement_of_a_scalar(dtype: str) -> None:
    with jax.enable_x64(dtype == "float64"):
        same_as_jax(moved, np.array(3, dtype))


BANDS = RNG.normal(size=(3, 2, 5)).astype(np.float32)
"""The diagonals of two matrices: [lower, middle, upper][batch][row]."""


@pytest.mark.parametrize("perturb_singular", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_tridiagonal_systems(perturb_singular: bool, dtype: type) -> None:
    bands, b = (BANDS + 0.5j * BANDS[::-1]).astype(dtype), np.ones((2, 5, 3), dtype)

    def solve(x: jax.Array, y: jax.Array) -> jax.Array:
        return lax.linalg.tridiagonal_solve(*x, y, perturb_singular=perturb_singular)

    # The condition of these matrices is below 100.
    same_as_jax(solve, bands, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_singular_tridiagonal_systems(dtype: type) -> None:
    """One matrix of two is singular: it alone gives NaN, or numbers as large as eps demands."""
    bands, b = BANDS.astype(dtype), np.ones((2, 5, 1), dtype)
    bands[:, 1] = 0
    with jax.enable_x64(dtype == np.float64):
        same_as_jax(lambda x, y: lax.linalg.tridiagonal_solve(*x, y), bands, b, rtol=1e-3)
        (x,) = run(
            lambda x, y: lax.linalg.tridiagonal_solve(*x, y, perturb_singular=True), bands, b
        )
    assert np.isfinite(x).all()
    assert (np.abs(x[1]) > 1 / np.finfo(dtype).eps).all()
