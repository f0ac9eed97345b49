"""Sums down the columns: a product with ones instead of loads of single elements."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

import neuronc
from neuronc import api
from neuronc.isa.table import Engine
from neuronc.profile import profile_of
from neuronc.runtime.program import Program

Function = Callable[[jax.Array], object]
CASES: dict[str, tuple[Function, tuple[int, ...]]] = {
    "one block": (lambda x: x.sum(0), (100, 50)),
    "remainders everywhere": (lambda x: x.sum(0), (300, 2500)),
    "fewer rows than partitions": (lambda x: x.sum(0, initial=2.0), (12, 700)),
    "two leading axes": (lambda x: (x * x).sum((0, 1)), (3, 130, 700)),
    "an axis in the middle": (lambda x: x.sum(1), (3, 140, 600)),
    "axes that do not merge": (lambda x: (x * x[0, :1]).sum((0, 1)), (3, 140, 200)),
    "what is summed is a result too": (lambda x: (jnp.tanh(x).sum(0), jnp.tanh(x)), (260, 900)),
    "what follows the sum": (lambda x: jnp.exp(x.sum(0) * 0.01) + x[0], (260, 300)),
    "two sums": (lambda x: (x.sum(0), (x * x).sum(0)), (260, 1300)),
    "bf16": (lambda x: (x * 2).astype(jnp.bfloat16).sum(0), (260, 900)),
}


def compiled(fn: Function, shape: tuple[int, ...]) -> api.Compiled:
    """The function of one float32 argument, compiled."""
    return neuronc.compile(jax.jit(fn).lower(jax.ShapeDtypeStruct(shape, jnp.float32)))


def exact(fn: Function, x: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """The results in float64, by JAX."""
    with jax.enable_x64(True):
        return [np.asarray(y, np.float64) for y in jax.tree.leaves(fn(jnp.asarray(x, jnp.float64)))]


@pytest.mark.parametrize("case", CASES)
def test_column_sums_are_right_and_free_of_races(case: str) -> None:
    fn, shape = CASES[case]
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    got = Program(compiled(fn, shape).model, check=True)(x)
    # A float32 sum of n terms errs by n half ulps of the sum of their absolute values, which is
    # what each case makes of |x|; the functions around it by a few. bf16 rounds term and result.
    error = (x.size // x.shape[-1] + 8) * 2.0**-24 + 2 * 2.0**-9 * (case == "bf16")
    for actual, want, scale in zip(got, exact(fn, x), exact(fn, abs(x)), strict=True):
        assert (abs(actual.astype(np.float64) - want) <= error * scale).all()


@pytest.mark.parametrize("shape", [(1024, 768), (4096, 64), (8, 4096)])
def test_no_element_is_loaded_alone(shape: tuple[int, ...]) -> None:
    profile = profile_of(compiled(lambda x: (x * x).sum(0), shape).model)
    assert profile.hbm_moved_bytes == profile.hbm_compulsory_bytes


def test_a_maximum_down_the_columns_stays_on_the_vector_engine() -> None:
    kernels = compiled(lambda x: x.max(0), (256, 512)).model.kernels
    assert not any(len(k.streams.get(Engine.TENSOR, ())) for k in kernels)


def test_windows_of_pooling_are_not_products() -> None:
    """They have few rows; and XLA adds them in order, to which 3 ulp of the corpus are close."""
    pooled = compiled(
        lambda x: jax.lax.reduce_window(x, 1.0, jax.lax.add, (2, 2), (1, 1), "valid"), (4, 6)
    )
    assert not any(len(k.streams.get(Engine.TENSOR, ())) for k in pooled.model.kernels)
