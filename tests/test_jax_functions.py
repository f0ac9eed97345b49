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
