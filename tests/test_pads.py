"""Pads of short rows: put into place on chip, exact whatever the edges."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import neuronc
from neuronc import api
from neuronc.profile import profile_of
from neuronc.runtime.program import Program

Edges = tuple[tuple[int, int, int], ...]
CASES: dict[str, tuple[tuple[int, ...], Edges, str]] = {
    "rows a partition": ((2, 256, 7, 7), (*[(0, 0, 0)] * 2, (1, 1, 0), (1, 1, 0)), "float32"),
    "rows that do not divide": ((263, 5, 9), ((0, 0, 0), (2, 0, 0), (0, 3, 0)), "float32"),
    "long rows, cut": ((140, 101, 60), ((0, 0, 0), (1, 2, 0), (3, 0, 0)), "float32"),
    "gaps between": ((130, 6, 7), ((0, 0, 0), (1, 0, 1), (0, 2, 2)), "float32"),
    "cropped": ((130, 9, 11), ((0, 0, 0), (-2, 1, 0), (1, -3, 0)), "float32"),
    "cropped gaps": ((130, 9, 11), ((0, 0, 0), (-3, 0, 1), (1, -4, 2)), "float32"),
    "long rows, cropped": ((130, 90, 60), ((0, 0, 0), (-2, 1, 0), (1, 1, 0)), "float32"),
    "three dimensions": ((200, 5, 4, 6), ((0, 0, 0), (1, 1, 0), (1, 1, 0), (1, 1, 0)), "float32"),
    "bf16": ((300, 6, 5), ((0, 0, 0), (1, 1, 0), (1, 1, 0)), "bfloat16"),
    "i32": ((300, 6, 5), ((0, 0, 0), (1, 1, 0), (1, 1, 0)), "int32"),
    "booleans": ((300, 6, 5), ((0, 0, 0), (1, 1, 0), (1, 1, 0)), "bool"),
    "f64, which moves by DMA": ((300, 6, 5), ((0, 0, 0), (1, 1, 0), (1, 1, 0)), "float64"),
    "rows in the middle": ((300, 5), ((1, 2, 0), (1, 1, 0)), "float32"),
}  # fmt: skip


def compiled(shape: tuple[int, ...], edges: Edges, dtype: str) -> api.Compiled:
    """A pad of one argument with another, compiled."""
    given = jax.ShapeDtypeStruct(shape, dtype), jax.ShapeDtypeStruct((), dtype)
    return neuronc.compile(jax.jit(lambda x, v: lax.pad(x, v, edges)).lower(*given))


@pytest.mark.parametrize("case", CASES)
def test_pads_move_every_bit_and_race_with_nothing(case: str) -> None:
    shape, edges, dtype = CASES[case]
    with jax.enable_x64(dtype == "float64"):
        x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
        v = np.ones((), dtype)
        (got,) = Program(compiled(shape, edges, dtype).model, check=True)(x, v)
        want = np.asarray(lax.pad(jnp.asarray(x), jnp.asarray(v), edges))
    np.testing.assert_array_equal(got, want)


def test_short_rows_move_in_long_runs() -> None:
    """Each byte is loaded once and stored once, and only the ends are not hidden."""
    shape, edges = (32, 512, 7, 7), ((0, 0, 0), (0, 0, 0), (1, 1, 0), (1, 1, 0))
    found = profile_of(compiled(shape, edges, "float32").model)
    assert found.hbm_moved_bytes <= 1.01 * found.hbm_compulsory_bytes
    assert found.seconds <= 1.6 * found.hbm_compulsory_bytes / 368e9
