"""Families of JAX's functions, each family one program: compiled, run from bytes, against JAX."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import jax.scipy as jsp
import numpy as np
import pytest
from jax import lax, nn

from neuronc.artifact.container import read, to_bytes
from neuronc.pipeline import compile_artifact
from neuronc.runtime.program import Program

Family = Callable[[jax.Array], object]
RNG = np.random.default_rng(11)
X = RNG.normal(size=(3, 7)).astype(np.float32)
UNIT = RNG.uniform(0.1, 0.9, (9,)).astype(np.float32)
WHOLE = RNG.integers(0, 9, (4, 6)).astype(np.int32)
SQUARE = RNG.normal(size=(5, 5)).astype(np.float32)
KEY = np.uint32(3)


def ffts(x: jax.Array) -> object:
    one = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
    many = ("fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn")
    norms = ("backward", "ortho", "forward")
    lines = [getattr(jnp.fft, f)(x, n, norm=norm) for f in one for n in (5, 8) for norm in norms]
    return lines, [getattr(jnp.fft, f)(x) for f in many], jnp.fft.fft(x + 1j * x[::-1])


def resizes(x: jax.Array) -> object:
    methods, shapes = ("nearest", "linear", "cubic", "lanczos3"), ((5, 9), (2, 3))
    scale, shift = jnp.array([1.3, 0.7]), jnp.array([0.2, -0.4])
    return [
        [jax.image.resize(x, s, m, antialias=a) for m in methods for s in shapes for a in (0, 1)],
        [jax.image.scale_and_translate(x, (4, 8), (0, 1), scale, shift, m) for m in methods[1:]],
    ]


ACTIVATIONS = (
    *(nn.relu, nn.relu6, nn.sigmoid, nn.softplus, nn.sparse_plus, nn.sparse_sigmoid, nn.soft_sign),
    *(nn.silu, nn.log_sigmoid, nn.leaky_relu, nn.hard_sigmoid, nn.hard_silu, nn.hard_tanh, nn.elu),
    *(nn.celu, nn.selu, nn.gelu, nn.squareplus, nn.mish, nn.softmax, nn.log_softmax),
    *(nn.standardize, nn.logsumexp),
)


def activations(x: jax.Array) -> object:
    slopes = [jax.grad(lambda v, f=f: (f(v) ** 3).sum())(x) for f in ACTIVATIONS]
    return [f(x) for f in ACTIVATIONS], slopes, nn.glu(x[:, :6]), nn.one_hot(jnp.arange(5), 7)


def attention(x: jax.Array) -> object:
    q = jnp.sin(jnp.arange(2 * 6 * 4 * 8.0)).reshape(2, 6, 4, 8) + x[0, 0]

    def loss(v: jax.Array) -> jax.Array:
        return (nn.dot_product_attention(v, v * 2, v, is_causal=True) ** 2).sum()

    few = q[:, :, :2]
    local = nn.dot_product_attention(q, few, few, is_causal=True, local_window_size=(2, 0))
    return nn.dot_product_attention(q, q, q), local, jax.grad(loss)(q)


def distributions(number: jax.Array) -> object:
    random = jax.random
    keys = random.split(random.key(number), 24)
    plain = ("uniform", "normal", "cauchy", "exponential", "gumbel", "laplace", "logistic")
    shaped = [getattr(random, name)(k, (5,)) for name, k in zip(plain, keys, strict=False)]
    return [
        shaped,
        random.gamma(keys[9], jnp.array([0.3, 2.0, 9.0])),
        random.truncated_normal(keys[10], -1.0, 2.0, (5,)),
        random.multivariate_normal(keys[12], jnp.zeros(2), jnp.eye(2) + 0.5, (3,)),
        random.normal(keys[13], (9,), jnp.bfloat16),
        random.ball(keys[14], 3, shape=(2,)),
    ]


def draws(number: jax.Array) -> object:
    """Whole numbers: every bit must be JAX's."""
    random = jax.random
    keys = random.split(random.key(number), 9)
    return [
        random.bernoulli(keys[0], 0.3, (9,)),
        random.randint(keys[1], (9,), -3, 17, jnp.int8),
        random.bits(keys[2], (9,), jnp.uint16),
        random.poisson(keys[3], jnp.array([0.5, 3.0, 40.0])),
        random.rademacher(keys[4], (9,)),
        random.categorical(keys[5], jnp.zeros((3, 5))),
        random.choice(keys[6], 10, (4,), replace=False),
        random.permutation(keys[7], 10),
        random.binomial(keys[8], 10.0, 0.3, (5,)),
    ]


def special(u: jax.Array) -> object:
    f = jsp.special
    plain = (f.digamma, f.gammaln, f.entr, f.erf, f.erfc, f.erfinv, f.expit, f.exp1, f.expi)
    more = (f.i0e, f.i1e, f.log_ndtr, f.logit, f.ndtri, f.spence)
    two = (f.betaln, f.gammainc, f.gammaincc, f.kl_div, f.rel_entr, f.xlog1py, f.xlogy)
    return [g(u) for g in plain + more], [g(u, 2 * u) for g in two], f.zeta(u + 1.5, u)


def statistics(u: jax.Array) -> object:
    s = jsp.stats
    return [
        [d.logpdf(u) for d in (s.norm, s.cauchy, s.expon, s.laplace, s.logistic, s.uniform)],
        [d.cdf(u) for d in (s.norm, s.cauchy, s.expon, s.laplace, s.logistic, s.uniform)],
        [s.beta.logpdf(u, 2.0, 3.0), s.gamma.cdf(u, 2.0), s.t.logpdf(u, 3.0), s.chi2.sf(u, 2.0)],
        s.norm.ppf(u),
        s.poisson.logpmf(jnp.arange(9), 4.0),
        s.rankdata(u),
    ]


def searches(a: jax.Array) -> object:
    first, second = a[0], a[1]
    methods = ("scan", "scan_unrolled", "sort", "compare_all")
    ordered = jnp.sort(first)
    return [
        [jnp.searchsorted(ordered, second, side="right", method=m) for m in methods],
        jnp.unique(a, size=7, fill_value=-1, return_index=True, return_counts=True),
        [jnp.union1d(first, second, size=9), jnp.intersect1d(first, second, size=4)],
        [jnp.setdiff1d(first, second, size=5), jnp.isin(first, second), jnp.nonzero(a > 4, size=9)],
        [jnp.lexsort((first, second)), jnp.argsort(a, descending=True), jnp.digitize(a, ordered)],
        [jnp.bincount(first, length=9), jnp.histogram(a, 4)[0], jnp.packbits(a > 3)],
        lax.sort((a, a * 2.5, -a), num_keys=2),
        [lax.cummax(a, 1), lax.cumprod(a, 1), lax.cumsum(a, reverse=True)],
        [jnp.gcd(first, second), jnp.lcm(first, second), jnp.divmod(a, 3)],
    ]


def matrices(a: jax.Array) -> object:
    good = a @ a.T + 5 * jnp.eye(5)
    linear = jnp.linalg
    return [
        [linear.inv(good), linear.det(a), linear.slogdet(a), linear.matrix_power(good / 9, -3)],
        [linear.solve(good, a), linear.cond(good), linear.norm(a, "nuc"), linear.cholesky(good)],
        [linear.eigvalsh(good), linear.svdvals(a), jsp.linalg.expm(a / 3), jsp.linalg.sqrtm(good)],
        [jax.grad(lambda v: linear.inv(v).sum())(good), jax.grad(linear.det)(a)],
        linear.inv(a * 0),
    ]


def narrow(x: jax.Array) -> object:
    """Rounding to narrow types, and arithmetic in them."""
    names = ("e4m3fn", "e5m2", "e4m3b11fnuz", "e4m3fnuz", "e5m2fnuz", "e3m4", "e4m3")
    kinds = [getattr(jnp, f"float8_{name}") for name in names]
    e4m3 = x.astype(jnp.float8_e4m3fn)
    return [
        [(x.astype(k) * jnp.ones(7, k)).astype(jnp.float32) for k in kinds],
        lax.dot(e4m3, e4m3.T, preferred_element_type=jnp.float32),
        ((x * 2).astype(jnp.int4) + jnp.int4(1)).astype(jnp.int32),
        lax.reduce_precision(x, 5, 3),
    ]


def control(x: jax.Array) -> object:
    def step(carry: jax.Array, row: jax.Array) -> tuple[jax.Array, jax.Array]:
        def one(i: jax.Array, value: jax.Array) -> jax.Array:
            return value + lax.switch(i, [jnp.sin, jnp.cos, jnp.tanh], row)

        return lax.fori_loop(0, 3, one, carry), carry.sum()

    def until(row: jax.Array) -> jax.Array:
        return lax.while_loop(lambda c: c.sum() < 9, lambda c: c + jnp.abs(row) + 0.1, row)

    return [
        lax.scan(step, x[0], x),
        jax.vmap(until)(x),
        jax.vmap(lambda row: lax.cond(row.sum() > 0, jnp.sin, jnp.cos, row))(x),
        jax.grad(lambda v: lax.scan(lambda c, r: (jnp.tanh(c * r), c), v[0], v)[1].sum())(x),
        jax.grad(lambda v: jax.checkpoint(lambda u: jnp.sin(jnp.sin(u)).sum())(v))(x),
        jax.hessian(lambda v: (jnp.tanh(v) ** 3).sum())(x[0]),
    ]


CLOSE = 2e-5
"""Some tens of float32 operations, each of at most a few units in the last place."""

FAMILIES: dict[str, tuple[Family, np.ndarray | np.uint32, float]] = {
    "ffts": (ffts, X, CLOSE),
    "resizes": (resizes, X, CLOSE),
    "activations": (activations, X, CLOSE),
    "attention": (attention, X, CLOSE),
    "distributions": (distributions, KEY, 1e-2),  # One rounding of bfloat16.
    "draws": (draws, KEY, 0.0),
    "special": (special, UNIT, 2e-4),  # Series of up to a hundred terms.
    "statistics": (statistics, UNIT, 2e-4),
    "searches": (searches, WHOLE, CLOSE),
    "matrices": (matrices, SQUARE, 1e-3),  # Condition numbers up to a hundred.
    "narrow": (narrow, X, CLOSE),
    "control": (control, X, CLOSE),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_agrees_with_jax(name: str) -> None:
    family, x, tolerance = FAMILIES[name]
    compiled = jax.jit(family)
    got = Program(read(to_bytes(compile_artifact(compiled.lower(x)))))(np.asarray(x))
    want = [np.asarray(v) for v in jax.tree.leaves(compiled(x))]
    assert [(g.shape, g.dtype) for g in got] == [(w.shape, w.dtype) for w in want]
    for g, w in zip(got, want, strict=True):
        if w.dtype.kind in "biu":
            np.testing.assert_array_equal(g, w)
            continue
        g, w = (v if v.dtype.kind in "fc" else v.astype(np.float32) for v in (g, w))
        size = np.abs(w[np.isfinite(w)]).max(initial=0)
        np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance * size)
