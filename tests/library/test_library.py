"""The library against JAX on CPU: programs traced by JAX, loaded, and interpreted op by op."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax import lax

from neuronc.frontend.load import load_module
from neuronc.numerics import FUNCTIONS
from neuronc.numerics.casting import Array
from neuronc.runtime.library import LIBRARY, ResultType

sys.path.insert(0, str(Path(__file__).parent))

from corpus import check, corpus
from interpreter import run

RNG = np.random.default_rng(0)


def same_as_jax(function: Callable[..., object], *arguments: Array, tolerance: float = 0) -> None:
    """The interpreter's results equal JAX's, or are relatively within `tolerance`."""
    jitted = jax.jit(function)
    want = [np.asarray(x) for x in jax.tree.leaves(jitted(*arguments))]
    got = run(load_module(jitted.lower(*arguments)), arguments)
    for g, w in zip(got, want, strict=True):
        assert g.dtype == w.dtype
        assert g.shape == w.shape
        if tolerance == 0:
            np.testing.assert_array_equal(g, w)
        else:
            np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance)


def run_text(text: str, *arguments: Array) -> list[Array]:
    return run(load_module(text.encode()), arguments)


def normal(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def test_every_function_has_an_entry() -> None:
    assert set(FUNCTIONS) <= set(LIBRARY)


def test_batch_norm_inference() -> None:
    text = """func.func @main(%x: tensor<2x3x4xf32>, %s: tensor<3xf32>, %o: tensor<3xf32>,
        %m: tensor<3xf32>, %v: tensor<3xf32>) -> tensor<2x3x4xf32> {
      %0 = "stablehlo.batch_norm_inference"(%x, %s, %o, %m, %v)
        <{epsilon = 1.0e-3 : f32, feature_index = 1 : i64}>
        : (tensor<2x3x4xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
        -> tensor<2x3x4xf32>
      return %0 : tensor<2x3x4xf32>
    }"""
    x, s, o, m = normal(2, 3, 4), normal(3), normal(3), normal(3)
    v = np.abs(normal(3)) + 1
    column = (3, 1)
    want = (x - m.reshape(column)) / np.sqrt(v.reshape(column) + 1e-3)
    want = want * s.reshape(column) + o.reshape(column)
    np.testing.assert_allclose(run_text(text, x, s, o, m, v)[0], want, rtol=1e-5, atol=1e-6)


def test_batch_norm_training_and_gradient_agree_with_autodiff() -> None:
    x, scale, offset, gradient = normal(6, 3), normal(3), normal(3), normal(6, 3)
    params = {"epsilon": 1e-3, "feature_index": 1}

    def forward(x: jax.Array, scale: jax.Array, offset: jax.Array) -> jax.Array:
        return (x - x.mean(0)) / jnp.sqrt(x.var(0) + 1e-3) * scale + offset

    want, backward = jax.vjp(forward, x, scale, offset)
    output, mean, variance = LIBRARY["batch_norm_training"](params, [x, scale, offset], [])
    np.testing.assert_allclose(output, want, rtol=1e-4, atol=1e-5)
    grads = LIBRARY["batch_norm_grad"](params, [x, scale, mean, variance, gradient], [])
    for got, expected in zip(grads, backward(gradient), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("lower", [True, False])
def test_cholesky_reads_one_triangle(lower: bool) -> None:
    root = normal(2, 4, 4)
    a = root @ root.swapaxes(-1, -2) + 4 * np.eye(4, dtype=np.float32)
    one = np.tril(a) if lower else np.triu(a)
    (factor,) = LIBRARY["cholesky"]({"lower": lower}, [one], [])
    product = factor @ factor.swapaxes(-1, -2) if lower else factor.swapaxes(-1, -2) @ factor
    np.testing.assert_allclose(product, a, rtol=1e-4, atol=1e-4)
    assert np.isnan(LIBRARY["cholesky"]({"lower": True}, [-a], [])[0]).any()


def test_map_with_a_region_of_several_steps() -> None:
    text = """func.func @main(%x: tensor<3x4xf32>, %y: tensor<3x4xf32>) -> tensor<3x4xf32> {
      %0 = "stablehlo.map"(%x, %y) <{dimensions = array<i64: 0, 1>}> ({
        ^bb0(%a: tensor<f32>, %b: tensor<f32>):
          %c = stablehlo.constant dense<2.0> : tensor<f32>
          %p = stablehlo.multiply %a, %c : tensor<f32>
          %r = stablehlo.subtract %p, %b : tensor<f32>
          stablehlo.return %r : tensor<f32>
      }) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
      return %0 : tensor<3x4xf32>
    }"""
    x, y = normal(3, 4), normal(3, 4)
    np.testing.assert_array_equal(run_text(text, x, y)[0], 2 * x - y)


@pytest.mark.parametrize("algorithm", ["DEFAULT", "THREE_FRY", "PHILOX"])
@pytest.mark.parametrize("shape", [(), (5,), (3, 4, 2)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint32, np.uint64])
def test_random_bits_are_those_of_xla(algorithm: str, shape: tuple[int, ...], dtype: type) -> None:
    which = getattr(lax.RandomAlgorithm, f"RNG_{algorithm}")
    with jax.enable_x64(True):
        key = np.array([7, 2**64 - 2], np.uint64)
        state, bits = lax.rng_bit_generator(key, shape, dtype, algorithm=which)
    types = [ResultType((2,), np.dtype(np.uint64)), ResultType(shape, np.dtype(dtype))]
    got = LIBRARY["rng_bit_generator"]({"rng_algorithm": algorithm}, [key], types)
    np.testing.assert_array_equal(got[0], np.asarray(state))
    np.testing.assert_array_equal(got[1], np.asarray(bits))


@pytest.mark.parametrize("algorithm", ["THREE_FRY", "PHILOX"])
@pytest.mark.parametrize("name", ["int2", "uint2", "int4", "uint4", "float4_e2m1fn"])
def test_random_bits_narrower_than_a_byte_are_the_low_ones_of_xla(
    algorithm: str, name: str
) -> None:
    # XLA narrows the same words, as the sweep sees; JAX itself lets no type of less than a byte in.
    dtype, width = np.dtype(getattr(ml_dtypes, name)), 2 if name.endswith("2") else 4
    which = getattr(lax.RandomAlgorithm, f"RNG_{algorithm}")
    with jax.enable_x64(True):
        key = np.array([7, 9], np.uint64)
        _, bits = lax.rng_bit_generator(key, (5, 6), np.uint8, algorithm=which)
    types = [ResultType((2,), np.dtype(np.uint64)), ResultType((5, 6), dtype)]
    got = LIBRARY["rng_bit_generator"]({"rng_algorithm": algorithm}, [key], types)[1]
    np.testing.assert_array_equal(got.view(np.uint8), np.asarray(bits) % 2**width)


def test_rng_is_deterministic_and_in_range() -> None:
    low, high = np.float32(2), np.float32(3)
    types = [ResultType((10000,), np.dtype(np.float32))]
    (a,) = LIBRARY["rng"]({"rng_distribution": "UNIFORM"}, [low, high], types)
    (b,) = LIBRARY["rng"]({"rng_distribution": "UNIFORM"}, [low, high], types)
    np.testing.assert_array_equal(a, b)
    assert a.min() >= 2
    assert a.max() <= 3
    assert abs(a.mean() - 2.5) < 0.02  # five standard errors are 0.014
    (c,) = LIBRARY["rng"]({"rng_distribution": "NORMAL"}, [low, high], types)
    assert abs(c.mean() - 2) < 0.15
    assert abs(c.std() - 3) < 0.11


@pytest.mark.parametrize("length", [1, 2, 7, 64, 100])
def test_sort_by_one_key(length: int) -> None:
    x = RNG.integers(-5, 5, (3, length)).astype(np.float32)
    x[0, 0] = np.nan
    same_as_jax(lambda x: lax.sort(x, dimension=1), x)
    same_as_jax(lambda x: jnp.argsort(x, axis=1, descending=True), x)
    same_as_jax(lambda x: lax.sort((x, x + 1), dimension=0), np.nan_to_num(x).astype(np.int32))


@pytest.mark.parametrize("length", [1, 2, 3, 7, 16, 33, 100])
def test_sort_by_any_comparator(length: int) -> None:
    a, b = (RNG.integers(0, 4, (2, length)).astype(np.int32) for _ in range(2))
    payload = np.arange(2 * length, dtype=np.int32).reshape(2, length)
    same_as_jax(lambda *xs: lax.sort(xs, dimension=1, num_keys=2), a, b, payload)


def test_top_k() -> None:
    same_as_jax(lambda x: lax.top_k(x, 5), RNG.integers(0, 9, (3, 20)).astype(np.float32))
    same_as_jax(lambda x: lax.top_k(x, 3), RNG.integers(-9, 9, (2, 8)).astype(np.int32))


def test_arg_reductions() -> None:
    x = RNG.integers(0, 9, (5, 200)).astype(np.float32)
    same_as_jax(lambda x: (jnp.argmax(x, 1), jnp.argmin(x, 0)), x)


def test_cumulative_folds() -> None:
    x = RNG.integers(-3, 4, (4, 100)).astype(np.int32)
    same_as_jax(lambda x: (lax.cumsum(x, 1), lax.cummax(x, 0), lax.cumsum(x, 1, reverse=True)), x)
    same_as_jax(lambda x: lax.cumsum(x, 1), normal(4, 100), tolerance=1e-5)


@pytest.mark.parametrize("window", [(1, 3, 3, 1), (1, 2, 2, 1), (1, 5, 1, 1)])
def test_pooling_and_its_gradient(window: tuple[int, ...]) -> None:
    def pool(x: jax.Array) -> jax.Array:
        return lax.reduce_window(x, -jnp.inf, lax.max, window, (1, 2, 2, 1), "SAME")

    x = RNG.permutation(2 * 8 * 9 * 3).reshape(2, 8, 9, 3).astype(np.float32)
    same_as_jax(pool, x)
    same_as_jax(jax.grad(lambda x: pool(x).sum()), x)


@pytest.mark.parametrize("mode", ["clip", "fill", "promise_in_bounds"])
def test_gather_and_scatter_of_rows(mode: str) -> None:
    x, i = normal(10, 4, 6), RNG.integers(0, 10, (3, 5)).astype(np.int32)
    if mode != "promise_in_bounds":
        i[0, 0], i[1, 1] = 12, -12
    same_as_jax(lambda x, i: x.at[i].get(mode=mode), x, i)
    same_as_jax(lambda x, i: x.at[:, :, i[:, 0]].get(mode=mode), x, i)
    same_as_jax(lambda x, i: x.at[i, 1].add(1.5, mode=mode), x, i, tolerance=1e-6)
    same_as_jax(lambda x, i: x.at[i].max(0.5, mode=mode), x, i)


def test_batched_gather_and_scatter() -> None:
    x, i = normal(3, 10, 4), RNG.integers(0, 10, (3, 5)).astype(np.int32)
    same_as_jax(jax.vmap(lambda x, i: x[i]), x, i)
    same_as_jax(jax.vmap(lambda x, i: x.at[i].multiply(2.0)), x, i, tolerance=1e-6)


def test_scatter_of_many_collisions_in_long_order() -> None:
    x, i = np.zeros(4, np.float32), RNG.integers(0, 4, 1000).astype(np.int32)
    same_as_jax(lambda x, i: x.at[i].add(1.0), x, i)
    same_as_jax(lambda x, i: x.at[i].set(i.astype(np.float32)), x, i)


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int8, np.complex64, np.float16])
def test_dot_general(dtype: type) -> None:
    a, b = (RNG.integers(-4, 5, shape).astype(dtype) for shape in ((3, 70, 5), (5, 70, 3)))
    numbers = (((1,), (1,)), ((0,), (2,)))
    same_as_jax(lambda a, b: lax.dot_general(a, b, numbers), a, b)


@pytest.mark.parametrize(
    "options",
    [
        {"window_strides": (2, 1), "padding": ((1, 2), (-1, 3)), "rhs_dilation": (2, 1)},
        {"window_strides": (1, 1), "padding": ((0, 2), (1, 1)), "lhs_dilation": (2, 3)},
        {"window_strides": (1, 2), "padding": "VALID", "feature_group_count": 2},
        {"window_strides": (1, 1), "padding": "VALID", "batch_group_count": 2},
    ],
)
def test_convolution(options: dict[str, object]) -> None:
    features = 6 // int(options.get("feature_group_count", 1))
    x, w = normal(4, 9, 10, 6), normal(3, 2, features, 8)
    numbers = ("NHWC", "HWIO", "NHWC")
    same_as_jax(
        lambda x, w: lax.conv_general_dilated(x, w, dimension_numbers=numbers, **options),
        x,
        w,
        tolerance=2e-5,  # 36 to 108 products of unit size in float32
    )


@pytest.mark.parametrize("rank", [1, 2])
def test_fft(rank: int) -> None:
    x = normal(3, 8, 6)
    axes = tuple(range(-rank, 0))
    same_as_jax(lambda x: jnp.fft.fftn(x, axes=axes), x, tolerance=1e-5)
    same_as_jax(lambda x: jnp.fft.irfftn(jnp.fft.rfftn(x, axes=axes), axes=axes), x, tolerance=1e-5)


def test_bitcasts_that_change_width() -> None:
    x = RNG.integers(0, 2**32, (3, 4), dtype=np.uint32)
    same_as_jax(lambda x: lax.bitcast_convert_type(x, np.uint8), x)
    same_as_jax(lambda x: lax.bitcast_convert_type(x.reshape(3, 4), np.int16), x)
    same_as_jax(lambda x: lax.bitcast_convert_type(x, np.uint32), x.view(np.uint8).reshape(3, 4, 4))


def test_corpus_sample() -> None:
    sample = [case for k, case in enumerate(corpus()) if k % 10 == 0]
    if not sample:
        pytest.skip("the corpus is not here")
    missed = {case.id: messages for case in sample if (messages := check(case))}
    assert not missed
