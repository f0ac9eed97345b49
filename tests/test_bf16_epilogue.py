"""What bf16 products go through on their way out of PSUM: one rounding, after bias or residual."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neuronc
from neuronc.runtime.program import Program

Function = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
CASES: dict[str, tuple[Function, tuple[int, ...]]] = {
    "a bias": (lambda x, w, b: x @ w + b, (320,)),
    "a bias that is in front": (lambda x, w, b: b - x @ w, (320,)),
    "a residual": (lambda x, w, b: x @ w + b, (200, 320)),
    "a scale": (lambda x, w, b: (x @ w) * b, (320,)),
    "a clip": (lambda x, w, b: jnp.maximum(x @ w, b), (320,)),
}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("case", CASES)
def test_a_product_and_what_is_done_to_it_round_once(case: str, dtype: str) -> None:
    fn, shape = CASES[case]
    chance = np.random.default_rng(0)
    sizes = (200, 384), (384, 320), shape
    given = [(chance.standard_normal(s) / 4).astype(dtype) for s in sizes]
    model = neuronc.compile(jax.jit(fn).lower(*given)).model
    (got,) = Program(model, check=True)(*given)
    with jax.enable_x64(True):
        x, w, b = (jnp.asarray(g, jnp.float64) for g in given)
        want = np.asarray(fn(x, w, b))
        # A float32 sum of n terms errs by n half ulps of the sum of their absolute values.
        scale = np.asarray(abs(x) @ abs(w)) * (1 if case != "a scale" else np.asarray(abs(b)))
    half_ulp = 2.0**-8 if dtype == "bfloat16" else 2.0**-11
    bound = half_ulp * abs(want) + 385 * 2.0**-24 * (scale + abs(want))
    error = abs(got.astype(np.float64) - want)
    assert (error <= bound).all(), f"{(error / bound).max():.2f} of the bound"


def test_jax_is_no_nearer_to_float64() -> None:
    fn, shape = CASES["a bias"]
    chance = np.random.default_rng(1)
    given = [chance.standard_normal(s).astype("bfloat16") for s in ((256, 512), (512, 320), shape)]
    (got,) = Program(neuronc.compile(jax.jit(fn).lower(*given)).model)(*given)
    theirs = np.asarray(jax.jit(fn)(*given))
    with jax.enable_x64(True):
        want = np.asarray(fn(*(jnp.asarray(g, jnp.float64) for g in given)))

    def error(y: np.ndarray) -> float:
        return float(np.sqrt(((y.astype(np.float64) - want) ** 2).mean()))

    assert error(got) <= 1.01 * error(theirs)
