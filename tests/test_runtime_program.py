"""A loaded program: called again, with other arrays, elsewhere in memory, in any layout."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from neuronc.errors import InputError
from neuronc.pipeline import compile_artifact
from neuronc.runtime import steps
from neuronc.runtime.arguments import COPIED_BYTES_MAX
from neuronc.runtime.program import Program

LARGE = (512, COPIED_BYTES_MAX // 4 // 512 + 1)
"""Too large to be copied: such an input is read where it is."""


def program(fn: Callable[..., Any], *args: Any, check: bool = False) -> Program:
    return Program(compile_artifact(jax.jit(fn, keep_unused=True).lower(*args)), check=check)


def spec(*shape: int, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def test_outputs_belong_to_the_caller() -> None:
    run = program(lambda x: x + 1, spec(4))
    first = run(np.zeros(4, np.float32))[0]
    first[:] = 9
    assert run(np.ones(4, np.float32))[0].tolist() == [2] * 4
    assert first.tolist() == [9] * 4


@pytest.mark.parametrize("shape", [(6, 8), LARGE])
@pytest.mark.parametrize("check", [False, True])
def test_every_call_sees_its_own_inputs(shape: tuple[int, int], check: bool) -> None:
    run = program(lambda x, y: (x + y, x * 2), spec(*shape), spec(*shape), check=check)
    for seed in range(3):
        x, y = np.random.default_rng(seed).standard_normal((2, *shape), np.float32)
        total, double = run(x, y)
        np.testing.assert_array_equal(total, x + y)
        np.testing.assert_array_equal(double, x * 2)
        x[:] = seed
        np.testing.assert_array_equal(run(x, y)[1], x * 2)


@pytest.mark.parametrize("shape", [(6, 8), LARGE])
def test_inputs_are_read_and_not_written(shape: tuple[int, int]) -> None:
    """Even where the program updates them."""
    row = np.full((1, shape[1]), 5, np.float32)
    run = program(
        lambda x, r: lax.dynamic_update_slice(x, r, (1, 0)), spec(*shape), spec(*row.shape)
    )
    x = normal(*shape)
    kept = x.copy()
    x.flags.writeable = False
    np.testing.assert_array_equal(run(x, row)[0][1:2], row)
    np.testing.assert_array_equal(x, kept)


def test_inputs_may_be_one_array_and_lie_in_any_layout() -> None:
    run = program(lambda x, y: (x @ y, x + y), spec(300, 300), spec(300, 300))
    x = normal(600, 600)
    part = x[::2, ::-2]
    np.testing.assert_array_equal(run(part, part)[1], part + part)
    np.testing.assert_array_equal(run(part.T, part)[1], part.T + part)
    np.testing.assert_allclose(run(part.T, part)[0], part.T @ part, rtol=0, atol=1e-3)


def test_scalars_and_empty_arrays() -> None:
    run = program(lambda s, e: (s * 2, e + s), spec(), spec(0, 3))
    two, none = run(np.float32(1.5), np.zeros((0, 3), np.float32))
    assert two.shape == ()
    assert two == 3
    assert none.shape == (0, 3)


def test_what_is_bound_is_not_scanned_for_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    run, bind, collects = program(lambda x: x + 1, spec(4)), steps.bind_kernel, list[bool]()

    def watched(*args: Any, **options: Any) -> object:
        collects.append(gc.isenabled())
        return bind(*args, **options)

    monkeypatch.setattr(steps, "bind_kernel", watched)
    run(np.zeros(4, np.float32))
    assert collects == [False]
    assert gc.isenabled()


def test_a_case_out_of_range_takes_the_last_branch() -> None:
    branches = [lambda x: x + 1, lambda x: x * 10, lambda x: -x]
    source = compile_artifact("""
    func.func public @main(%i: tensor<i32>, %x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = "stablehlo.case"(%i) ({
        %a = stablehlo.add %x, %x : tensor<4xf32>
        stablehlo.return %a : tensor<4xf32>
      }, {
        %b = stablehlo.negate %x : tensor<4xf32>
        stablehlo.return %b : tensor<4xf32>
      }) : (tensor<i32>) -> tensor<4xf32>
      return %0 : tensor<4xf32>
    }""")
    x = normal(4)
    for index in (-5, 0, 1, 2, 1 << 30):
        wanted = x + x if index == 0 else -x
        np.testing.assert_array_equal(Program(source)(np.int32(index), x)[0], wanted)
    run = program(lambda i, x: lax.switch(i, branches, x), spec(dtype=jnp.int32), spec(4))
    for index in (-1, 0, 1, 2, 3):
        wanted = branches[min(max(index, 0), 2)](x)
        np.testing.assert_array_equal(run(np.int32(index), x)[0], wanted)


def test_a_loop_runs_as_often_as_its_condition_says() -> None:
    run = program(
        lambda n, x: lax.fori_loop(0, n, lambda _, v: v + v, x), spec(dtype=jnp.int32), spec(4)
    )
    x = normal(4)
    for n in (-3, 0, 1, 7):
        np.testing.assert_array_equal(run(np.int32(n), x)[0], x * 2.0 ** max(n, 0))


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ((), "2 arrays are needed, but 0 were given"),
        ((np.zeros((2, 3), np.float32),) * 3, "2 arrays are needed, but 3 were given"),
        ((np.zeros((3, 2), np.float32),) * 2, r"shape \(2, 3\) is needed, but \(3, 2\) was given"),
        ((np.zeros((2, 3)),) * 2, "type float32 is needed, but float64 was given"),
    ],
)
def test_wrong_inputs_are_the_callers_error(arrays: tuple[np.ndarray, ...], problem: str) -> None:
    run = program(lambda x, y: x + y, spec(2, 3), spec(2, 3))
    with pytest.raises(InputError, match=problem):
        run(*arrays)
