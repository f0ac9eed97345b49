"""A Llama block and its parts: few kernels, few bytes of HBM, numbers as exact as their types."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# Parts of jax are not annotated.

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neuronc
from neuronc.hardware import GENERATIONS
from neuronc.pipeline import Options, ignore, lower

_RANDOM = np.random.default_rng(7)


def _normal(*shape: int, scale: float = 1.0) -> np.ndarray:
    return scale * _RANDOM.standard_normal(shape, np.float32)


def swiglu(x: jax.Array, gate: jax.Array, up: jax.Array, down: jax.Array) -> jax.Array:
    """(silu(x gate) * (x up)) down."""
    return (jax.nn.silu(x @ gate) * (x @ up)) @ down


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_what_swiglu_multiplies_stays_on_chip(kind: str) -> None:
    """The second product reads the first in its epilogue, as the third wants their product."""
    shapes = [(256, 512), (512, 1408), (512, 1408), (1408, 512)]
    compiled = neuronc.compile(
        jax.jit(swiglu).lower(*(jax.ShapeDtypeStruct(s, jnp.dtype(kind)) for s in shapes))
    )
    assert len(compiled.model.kernels) == 1
    report = compiled.report
    once = sum(a * b for a, b in [*shapes, (256, 512)]) * jnp.dtype(kind).itemsize
    assert report.hbm_moved_bytes <= 1.01 * once


def test_a_product_that_does_not_fit_goes_out_in_whole_rows() -> None:
    """Its other factor then lies by rows too; element by element, the store alone took 10 ms."""
    shapes = [(512, 2048), (2048, 8192), (2048, 8192), (8192, 2048)]
    kinds = [jax.ShapeDtypeStruct(s, jnp.bfloat16) for s in shapes]
    report = neuronc.compile(jax.jit(swiglu).lower(*kinds)).report
    # Twice what the tensor engine needs for its multiply-adds.
    assert report.seconds <= 2 * report.tensor_flops / (
        2 * 128 * 128 * GENERATIONS["trn2"].tensor_hz
    )


def _rotate_half(x: jax.Array) -> jax.Array:
    half = x.shape[-1] // 2
    return jnp.concatenate([-x[..., half:], x[..., :half]], -1)


def halves(x: jax.Array, cosine: jax.Array, sine: jax.Array) -> jax.Array:
    """As transformers writes it; x is [S, H, D]."""
    return x * cosine[:, None] + _rotate_half(x) * sine[:, None]


def products(x: jax.Array, cosine: jax.Array, sine: jax.Array) -> jax.Array:
    """Each half written out."""
    half = x.shape[-1] // 2
    low, high = x[..., :half], x[..., half:]
    c, s = (t[:, None, :half] for t in (cosine, sine))
    return jnp.concatenate([low * c - high * s, high * c + low * s], -1)


def _pairs(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    return x[..., ::2], x[..., 1::2]


def neighbours(x: jax.Array, cosine: jax.Array, sine: jax.Array) -> jax.Array:
    """As GPT-J writes it: each pair of neighbours is rotated."""
    even, odd = _pairs(x)
    turned = jnp.stack([-odd, even], -1).reshape(x.shape)
    return x * cosine[:, None] + turned * sine[:, None]


def pairs(x: jax.Array, cosine: jax.Array, sine: jax.Array) -> jax.Array:
    """The same, each of a pair written out."""
    (even, odd), (c, _), (s, _) = (_pairs(t) for t in (x, cosine[:, None], sine[:, None]))
    return jnp.stack([even * c - odd * s, odd * c + even * s], -1).reshape(x.shape)


def test_neighbours_are_loaded_in_long_runs() -> None:
    """A load of each pair swapped had a run for each element, and took 16 times as long."""
    shapes = [(512, 16, 64), (512, 64), (512, 64)]
    kinds = [jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes]
    reports = [neuronc.compile(jax.jit(f).lower(*kinds)).report for f in (halves, neighbours)]
    assert reports[1].seconds < 1.5 * reports[0].seconds
    assert reports[1].hbm_moved_bytes <= 4 * (2 * 512 * 16 * 64 + 2 * 512 * 64) * 1.05


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
@pytest.mark.parametrize("function", [halves, products, neighbours, pairs])
def test_a_rotary_embedding_moves_nothing(function: Callable[..., jax.Array], kind: str) -> None:
    arrays = [_normal(*s).astype(jnp.dtype(kind)) for s in ((200, 3, 16), (200, 16), (200, 16))]
    text = neuronc.compile(jax.jit(function).lower(*arrays)).model
    assert not any("concatenate" in source for _, source in text.sources)
    (ours,) = neuronc.load(neuronc.compile(jax.jit(function).lower(*arrays)), check=True)(*arrays)
    # Op by op, as jit may contract a product and a sum; signs are exact, so all bits agree.
    with jax.disable_jit():
        np.testing.assert_array_equal(ours, np.asarray(function(*map(jnp.asarray, arrays))))


def _norm(x: jax.Array, gain: jax.Array) -> jax.Array:
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    scale = jax.lax.rsqrt(jnp.mean(wide * wide, -1, keepdims=True) + 1e-5)
    return (wide * scale).astype(x.dtype) * gain


HEADS, SHARED, DEPTH, TOKENS = 8, 2, 32, 160
WIDTH, INNER = HEADS * DEPTH, 640


def block(
    weights: dict[str, jax.Array], x: jax.Array, cosine: jax.Array, sine: jax.Array
) -> jax.Array:
    """One layer of Llama: RMS norm, rotary, attention with shared keys, SwiGLU, residuals."""
    normed = _norm(x, weights["norm1"])
    q, k, v = (
        (normed @ weights[name]).reshape(TOKENS, -1, DEPTH) for name in ("query", "key", "value")
    )
    q, k = halves(q, cosine, sine), halves(k, cosine, sine)
    k, v = (jnp.repeat(t, HEADS // SHARED, 1) for t in (k, v))
    scores = jnp.einsum("qhd,khd->hqk", q, k) / np.sqrt(DEPTH)
    visible = jnp.tril(jnp.ones((TOKENS, TOKENS), bool))
    weights_ = jax.nn.softmax(jnp.where(visible, scores, -jnp.inf))
    mixed = jnp.einsum("hqk,khd->qhd", weights_, v).reshape(TOKENS, WIDTH)
    x = x + mixed @ weights["out"]
    return x + swiglu(_norm(x, weights["norm2"]), *(weights[n] for n in ("gate", "up", "down")))


def _arguments() -> list[Any]:
    shapes = {
        "norm1": (WIDTH,),
        "norm2": (WIDTH,),
        "query": (WIDTH, HEADS * DEPTH),
        "key": (WIDTH, SHARED * DEPTH),
        "value": (WIDTH, SHARED * DEPTH),
        "out": (HEADS * DEPTH, WIDTH),
        "gate": (WIDTH, INNER),
        "up": (WIDTH, INNER),
        "down": (INNER, WIDTH),
    }
    weights = {name: _normal(*s, scale=s[0] ** -0.5) for name, s in shapes.items()}
    angles = np.arange(TOKENS)[:, None] / 1e4 ** (np.arange(0, DEPTH, 2) / DEPTH)
    angles = np.concatenate([angles, angles], -1)
    tables = (f(angles).astype(np.float32) for f in (np.cos, np.sin))
    return [weights, _normal(TOKENS, WIDTH), *tables]


def _widened(arguments: list[Any]) -> list[Any]:
    """The same in float64."""
    weights, *others = arguments
    wide = {name: np.asarray(w, np.float64) for name, w in weights.items()}
    return [wide, *(np.asarray(a, np.float64) for a in others)]


def test_a_llama_block_is_one_kernel_with_one_attention() -> None:
    """Ten phases or so: two norms, seven products, two embeddings, a table, one attention."""
    arguments = _arguments()
    lowered = jax.jit(block).lower(*arguments)
    compiled = neuronc.compile(lowered)
    ir = str(lower(lowered, "block.mlir", Options(stop_after="fused"), ignore)[0])
    kinds = re.findall(r'"program.call".*?kind = "(\w+)"', ir)
    assert kinds.count("attention") == 1
    assert kinds.count("contract") == 7
    assert len(kinds) <= 16
    assert "move" not in kinds
    assert len(compiled.model.program) == 1
    report = compiled.report
    # The attention reads its operands from HBM, and writes its result there.
    assert report.hbm_moved_bytes <= 1.35 * report.hbm_compulsory_bytes
    flat = [np.asarray(a) for a in jax.tree.leaves(arguments)]
    (ours,) = neuronc.load(compiled, check=True)(*flat)
    with jax.enable_x64(True):
        exact = np.asarray(block(*_widened(arguments)))
    # Seven products in a row of at most 640 terms, errors like the root of their number, and the
    # norms scale to size 1: 2^-24 * sqrt(640) * 7 of the largest, times 2 for the rest.
    assert np.abs(ours - exact).max() <= 2 * 2.0**-24 * np.sqrt(INNER) * 7 * np.abs(exact).max()
