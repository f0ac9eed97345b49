"""Kernels of several phases: the same numbers, less through HBM, one kernel for equal layers."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neuronc
from neuronc.passes.repeats import Repeat, cuts, longest_repeat

Arrays = list[np.ndarray]


def mlp(x, g, w, b, v, c):
    """A block of a transformer: normalise, widen, narrow, add."""
    centred = x - x.mean(-1, keepdims=True)
    normal = centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * g
    return x + jax.nn.gelu(normal @ w + b) @ v + c


def arrays(*shapes: tuple[int, ...]) -> Arrays:
    random = np.random.default_rng(0)
    return [random.standard_normal(s, np.float32) / 8 for s in shapes]


def compiled(fn: Callable[..., object], args: Arrays) -> neuronc.Compiled:
    return neuronc.compile(jax.jit(fn).lower(*args))


def error(fn: Callable[..., object], args: Arrays, made: neuronc.Compiled) -> float:
    """Largest difference to JAX, relative to the largest output; proved free of races."""
    (ours,) = neuronc.load(made, check=True)(*args)
    theirs = np.asarray(jax.jit(fn)(*args))
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


@pytest.mark.parametrize("rows", [256, 130, 40, 1])
def test_a_block_is_one_kernel_whose_values_stay_on_chip(rows: int) -> None:
    args = arrays((rows, 96), (96,), (96, 384), (384,), (384, 96), (96,))
    made = compiled(mlp, args)
    assert len(made.model.kernels) == 1
    # Sums of 384 products, in float32: a few times eps * sqrt(384).
    assert error(mlp, args, made) < 4 * np.finfo(np.float32).eps * 384**0.5
    if rows == 256:
        # Nothing but row statistics, smaller than one activation, passes through HBM.
        assert made.report.footprint.temporary_bytes < rows * 96 * 4


def test_the_mlp_block_of_gpt2_moves_little_more_than_it_must() -> None:
    shapes = [(512, 768), (768,), (768, 3072), (3072,), (3072, 768), (768,)]
    args = [jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes]
    report = neuronc.compile(jax.jit(mlp).lower(*args)).report
    compulsory = 4 * (sum(map(math.prod, shapes)) + 512 * 768)
    assert report.hbm_moved_bytes <= 1.1 * compulsory


def test_values_that_do_not_fit_go_through_hbm() -> None:
    def fn(x, w, v):
        h = x @ w
        return (h - h.max(-1, keepdims=True)) @ v

    args = arrays((8192, 64), (64, 2048), (2048, 64))
    report = compiled(fn, args).report
    # The value between is 64 MiB, SBUF 26 MiB.
    assert report.hbm_moved_bytes > 2 * 8192 * 2048 * 4
    assert report.sbuf_bytes <= report.sbuf_limit_bytes


def test_a_value_read_outside_is_stored_and_stays() -> None:
    def fn(x, w):
        h = jnp.tanh(x @ w)
        return jnp.concatenate([h, h - h.max(-1, keepdims=True)])

    args = arrays((128, 64), (64, 64))
    assert error(fn, args, compiled(fn, args)) < 1e-6


def test_a_value_that_is_contracted_next_and_read_outside_is_stored() -> None:
    def fn(x, w, v):
        h = jnp.tanh(x @ w)
        return jnp.concatenate([h @ v, h], axis=1)

    args = arrays((40, 64), (64, 96), (96, 64))
    assert error(fn, args, compiled(fn, args)) < 1e-6


def test_equal_layers_share_a_kernel_of_phases() -> None:
    def layers(x, *weights):
        for i in range(0, len(weights), 5):
            x = mlp(x, *weights[i : i + 5])
        return x

    weights = [(32,), (32, 128), (128,), (128, 32), (32,)]
    few = compiled(layers, arrays((128, 32), *weights * 4))
    many = compiled(layers, arrays((128, 32), *weights * 8))
    assert len(few.model.kernels) == len(many.model.kernels)
    args = arrays((128, 32), *weights * 4)
    assert error(layers, args, few) < 1e-5


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("abcabcabc", Repeat(0, 3, 3, 0)),
        ("xababay", Repeat(1, 2, 2, 1)),
        ("aaaa", Repeat(0, 1, 4, 0)),
        ("abcd", None),
        ("", None),
    ],
)
def test_the_longest_repeat_is_found(text: str, found: Repeat | None) -> None:
    assert longest_repeat(np.array([ord(c) for c in text])) == found


def test_a_sequence_is_cut_where_it_repeats_and_least_crosses() -> None:
    assert cuts("xabababy", lambda at: 0) == [0, 1, 3, 5, 7, 8]
    # A repeat that could start at 1 or 2 starts at 2, where nothing crosses.
    assert cuts("xababay", lambda at: int(at % 2 == 1)) == [0, 2, 4, 6, 7]
