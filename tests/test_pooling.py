"""Reductions of what does not lie together, windows above all: what they cover is loaded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import neuronc
from neuronc import api
from neuronc.profile import profile_of
from neuronc.runtime.program import Program

Function = Callable[[jax.Array], object]


def pool(
    window: Sequence[int],
    steps: Sequence[int],
    edges: str = "VALID",
    dilation: Sequence[int] | None = None,
) -> Function:
    """A maximum over windows of the last dimensions."""

    def run(x: jax.Array) -> jax.Array:
        ones = (1,) * (x.ndim - len(window))
        gaps = (*ones, *(dilation or (1,) * len(window)))
        sizes, strides = (*ones, *window), (*ones, *steps)
        return lax.reduce_window(x, -jnp.inf, lax.max, sizes, strides, edges, None, gaps)

    return run


CASES: dict[str, tuple[Function, tuple[int, ...]]] = {
    "overlapping": (pool((3, 3), (2, 2)), (2, 64, 30, 30)),
    "side by side": (pool((2, 2), (2, 2)), (2, 70, 24, 20)),
    "in many blocks": (pool((3, 3), (2, 2), "SAME"), (1, 130, 90, 90)),
    "in one dimension": (pool((5,), (1,)), (140, 3000)),
    "with gaps between": (pool((2, 2), (3, 3)), (1, 128, 30, 30)),
    "dilated": (pool((3, 3), (1, 1), dilation=(2, 2)), (1, 128, 20, 20)),
    "of three dimensions": (pool((2, 2, 2), (2, 2, 2)), (2, 64, 6, 6, 6)),
    "channels last": (pool((3, 3, 1), (2, 2, 1)), (2, 18, 18, 130)),
    "over a leading axis": (lambda x: x.max(0), (5, 130, 70)),
    "down the middle": (lambda x: x.max(1), (140, 6, 40)),
    "and a function of it": (lambda x: jnp.tanh(pool((3, 3), (2, 2))(x)), (2, 64, 20, 20)),
    "two at once": (lambda x: (pool((3, 3), (1, 1))(x), x.max((2, 3))), (2, 64, 9, 9)),
    "turned": (lambda x: pool((3, 3), (2, 2))(x[:, :, ::-1]), (2, 64, 21, 21)),
}


def compiled(fn: Function, shape: tuple[int, ...], dtype: str = "float32") -> api.Compiled:
    """The function of one argument, compiled."""
    return neuronc.compile(jax.jit(fn).lower(jax.ShapeDtypeStruct(shape, dtype)))


@pytest.mark.parametrize("case", CASES)
def test_pooled_windows_are_exact_and_free_of_races(case: str) -> None:
    """A maximum rounds nothing."""
    fn, shape = CASES[case]
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    got = Program(compiled(fn, shape).model, check=True)(x)
    rtol = 2e-6 if case == "and a function of it" else 0
    for actual, want in zip(got, jax.tree.leaves(fn(jnp.asarray(x))), strict=True):
        np.testing.assert_allclose(actual, np.asarray(want), rtol=rtol)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_averages_add_no_more_error_than_their_terms(dtype: str) -> None:
    def average(x: jax.Array) -> jax.Array:
        total = lax.reduce_window(
            x, jnp.zeros((), x.dtype), lax.add, (1, 1, 3, 3), (1, 1, 2, 2), "SAME"
        )
        return total / 9

    x = np.random.default_rng(1).random((2, 64, 28, 28)).astype(dtype)
    (got,) = Program(compiled(average, x.shape, dtype).model, check=True)(x)
    with jax.enable_x64(True):
        want = np.asarray(average(jnp.asarray(x, jnp.float64)))
    # Nine terms in float32, and what bf16 rounds: the sum, 1 / 9, and their product.
    error = 10 * 2.0**-24 + 3 * 2.0**-8 * (dtype == "bfloat16")
    assert (abs(got.astype(np.float64) - want) <= error * abs(want)).all()


def test_each_element_is_loaded_about_once() -> None:
    """Rows that two blocks share are loaded twice, and nothing element by element."""
    found = profile_of(compiled(pool((3, 3), (2, 2)), (8, 64, 113, 113)).model)
    assert found.hbm_moved_bytes <= 1.1 * found.hbm_compulsory_bytes
    # 9 elements a result at one a cycle keep the vector engine busiest; loads hide behind that.
    assert found.seconds <= 1.2 * found.busy_seconds["vector"]


def test_a_sum_over_a_short_leading_axis_loads_long_runs() -> None:
    """Too few rows for a product with ones: each partition's part of every row is one run."""
    found = profile_of(compiled(lambda x: x.sum(0), (4, 128, 512)).model)
    assert found.busy_seconds["dma"] <= 1.5 * found.hbm_compulsory_bytes / 368e9
