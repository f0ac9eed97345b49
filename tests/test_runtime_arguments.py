"""Arguments that stay bound between calls: no copy, the same bits, whatever their layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from neuronc.artifact.container import read, to_bytes
from neuronc.artifact.model import BufferKind
from neuronc.errors import InputError
from neuronc.pipeline import compile_artifact
from neuronc.runtime.arguments import COPIED_BYTES_MAX
from neuronc.runtime.program import Program

HEADS, LENGTH, WIDTH = 4, 2048, 64
STEPS = 3
CACHE = (HEADS, LENGTH, WIDTH)
assert 4 * np.prod(CACHE) > COPIED_BYTES_MAX


def decode(w: jax.Array, keys: jax.Array, values: jax.Array, x: jax.Array, i: jax.Array) -> Any:
    """One step of attention over a cache of keys and values, which it extends at position i."""
    q, k, v = jnp.split((x @ w).reshape(HEADS, 3 * WIDTH), 3, axis=1)
    keys = lax.dynamic_update_slice(keys, k[:, None], (0, i, 0))
    values = lax.dynamic_update_slice(values, v[:, None], (0, i, 0))
    scores = jnp.einsum("hd,hld->hl", q, keys)
    scores = jnp.where(jnp.arange(LENGTH) <= i, scores, -1e9)
    return jnp.einsum("hl,hld->hd", jax.nn.softmax(scores), values).reshape(-1), keys, values


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32) / 8


def arguments() -> list[np.ndarray]:
    width = HEADS * WIDTH
    return [random(width, 3 * width), random(*CACHE, seed=1), random(*CACHE, seed=2)]


def compiled(fn: Callable[..., Any], *args: Any, donated: tuple[int, ...] = ()) -> Any:
    specs = [jax.ShapeDtypeStruct(np.shape(a), np.asarray(a).dtype) for a in args]
    lowered = jax.jit(fn, keep_unused=True, donate_argnums=donated).lower(*specs)
    return read(to_bytes(compile_artifact(lowered)))


@pytest.fixture(scope="module")
def step() -> Any:
    return compiled(decode, *arguments(), random(HEADS * WIDTH), np.int32(0), donated=(1, 2))


@pytest.fixture(scope="module")
def copying() -> list[list[list[np.ndarray]]]:
    """What every step gives when caches are neither donated nor bound, without and with checks."""
    artifact = compiled(decode, *arguments(), random(HEADS * WIDTH), np.int32(0))
    return [steps(Program(artifact, check=check)) for check in (False, True)]


def steps(run: Program) -> list[list[np.ndarray]]:
    """The outputs of every step, each fed with what the one before made."""
    weight, keys, values = arguments()
    x, outputs = random(HEADS * WIDTH, seed=3), []
    for i in range(STEPS):
        x, keys, values = run(weight, keys, values, x, np.int32(i))
        outputs.append([x, keys, values])
    return outputs


def bytes_moved_whole(artifact: Any) -> int:
    """Bytes of HBM that kernels which only copy read and write."""
    copies = [k for k in artifact.kernels if k.name.startswith("copy_")]
    return sum(k.hbm_bytes for k in copies)


@pytest.mark.parametrize("check", [False, True])
def test_a_bound_cache_is_updated_in_place_and_never_copied(
    step: Any, copying: list[list[list[np.ndarray]]], check: bool
) -> None:
    run = Program(step, check=check)
    weight, keys, values = arguments()
    addresses = [a.ctypes.data for a in (keys, values)]
    run.bind({0: weight, 1: keys, 2: values})
    x = random(HEADS * WIDTH, seed=3)
    for i in range(STEPS):
        x, *caches = run(x, np.int32(i))
        assert caches[0] is keys
        assert caches[1] is values
        for ours, wanted in zip([x, keys, values], copying[check][i], strict=True):
            np.testing.assert_array_equal(ours, wanted)
        # The token, its position, and the result: nothing that grows with the cache.
        assert run.copied_bytes == 2 * x.nbytes + 4
    assert [a.ctypes.data for a in (keys, values)] == addresses
    held = [b.index for b in step.buffers if b.kind is BufferKind.OUTPUT]
    assert held == [0]
    assert bytes_moved_whole(step) == 0


def test_without_binding_the_callers_arrays_are_only_read(
    step: Any, copying: list[list[list[np.ndarray]]]
) -> None:
    run = Program(step)
    given = [*arguments(), random(HEADS * WIDTH, seed=3)]
    for array in given:
        array.flags.writeable = False
    for _ in range(2):
        for ours, wanted in zip(run(*given, np.int32(0)), copying[0][0], strict=True):
            np.testing.assert_array_equal(ours, wanted)


def strided(array: np.ndarray) -> np.ndarray:
    """Every second element of one twice as wide."""
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


LAYOUTS = {
    "fortran": np.asfortranarray,
    "strided": strided,
    "backwards": lambda a: a[::-1].copy()[::-1],
    "unaligned": lambda a: np.frombuffer(bytearray(b"x" + a.tobytes()), a.dtype, offset=1).reshape(
        a.shape
    ),
}


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_bound_arrays_may_lie_in_any_layout(
    step: Any, copying: list[list[list[np.ndarray]]], layout: str
) -> None:
    run = Program(step)
    bound = [LAYOUTS[layout](a) for a in arguments()]
    run.bind(dict(enumerate(bound)))
    x = random(HEADS * WIDTH, seed=3)
    for i in range(STEPS):
        x, *caches = run(x, np.int32(i))
        assert [c is b for c, b in zip(caches, bound[1:], strict=True)] == [True, True]
        for ours, wanted in zip([x, *bound[1:]], copying[0][i], strict=True):
            np.testing.assert_array_equal(ours, wanted)
    in_place = bound[0].flags.c_contiguous
    moved = 0 if in_place else bound[0].nbytes + 2 * (bound[1].nbytes + bound[2].nbytes)
    assert run.copied_bytes == 2 * x.nbytes + 4 + moved


def test_what_the_caller_writes_into_a_bound_array_is_read_by_the_next_call() -> None:
    for shape in [(4, 8), (4, 1 << 18)]:
        for make in (np.ascontiguousarray, np.asfortranarray):
            weight, x = make(random(*shape)), random(*shape, seed=1)
            run = Program(compiled(lambda w, x: w * x, weight, x))
            run.bind({0: weight})
            for factor in (1, 2):
                np.testing.assert_array_equal(run(x)[0], weight * x)
                weight *= factor


def test_binding_again_and_unbinding() -> None:
    x, y = random(4, 8), random(4, 8, seed=1)
    run = Program(compiled(lambda a, b: a - b, x, y))
    run.bind({1: y})
    assert [i.name for i in run.free_inputs] == ["a"]
    np.testing.assert_array_equal(run(x)[0], x - y)
    run.bind({1: x})
    np.testing.assert_array_equal(run(y)[0], y - x)
    run.bind({0: x})
    np.testing.assert_array_equal(run()[0], x - x)
    run.unbind()
    np.testing.assert_array_equal(run(x, y)[0], x - y)


def test_a_donated_result_that_is_not_made_in_place_is_still_left_in_the_bound_array() -> None:
    """The old value is needed to the end, so the result has memory of its own."""
    x = random(8, 8)
    run = Program(compiled(lambda x: (x.T @ x, x + 1), x, donated=(0,)))
    kept, before = x, x.copy()
    run.bind({0: x})
    first, second = run()
    assert first is kept or second is kept
    np.testing.assert_allclose(first, before.T @ before, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(second, before + 1)


def test_one_array_of_a_call_may_be_a_bound_one_that_is_updated() -> None:
    cache, x = random(512, 1024), random(512, 1024, seed=1)
    run = Program(
        compiled(lambda c, x: (c.at[0].set(0), (x * 2).sum(1)), cache, x, donated=(0,)), check=True
    )
    run.bind({0: cache})
    before = cache.copy()
    sums = run(cache)[1]
    np.testing.assert_array_equal(cache[0], 0)
    np.testing.assert_allclose(sums, (before * 2).sum(1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("value", [0, 3])
def test_a_bound_scalar_decides_loops_and_branches(value: int) -> None:
    def program(n: jax.Array, p: jax.Array, x: jax.Array) -> jax.Array:
        x = lax.fori_loop(0, n, lambda _, v: v + v, x)
        return lax.cond(p, lambda: x + 1, lambda: x)

    n, p, x = np.array(value, np.int32), np.array(value > 0), random(4)
    run = Program(compiled(program, n, p, x))
    run.bind({0: n, 1: p})
    np.testing.assert_array_equal(run(x)[0], x * 2.0**value + (value > 0))
    n += 1
    p[...] = True
    np.testing.assert_array_equal(run(x)[0], x * 2.0 ** (value + 1) + 1)


def test_empty_and_scalar_arrays_can_be_bound() -> None:
    s, e = np.array(1.5, np.float32), np.zeros((0, 3), np.float32)
    run = Program(compiled(lambda s, e: (s * 2, e + s), s, e, donated=(0, 1)))
    run.bind({0: s, 1: e})
    two, none = run()
    assert (two, two is s, none is e) == (3, True, True)


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({7: np.zeros((4, 8), np.float32)}, "there is no input 7"),
        ({"w": np.zeros((4, 8), np.float32)}, "there is no input 'w'"),
        ({0: np.zeros((8, 4), np.float32)}, r"shape \(4, 8\) is needed, but \(8, 4\)"),
        ({0: np.zeros((4, 8))}, "type float32 is needed, but float64"),
        ({0: np.broadcast_to(np.float32(0), (4, 8))}, "is read-only"),
        (dict.fromkeys((0, 1), np.zeros((4, 8), np.float32)), "shares memory with"),
    ],
)
def test_what_cannot_be_bound_is_one_error_and_binds_nothing(
    arrays: dict[int | str, np.ndarray], problem: str
) -> None:
    x = random(4, 8)
    run = Program(compiled(lambda a, b: a.at[0].set(b[1]), x, x, donated=(0,)))
    with pytest.raises(InputError, match=problem):
        run.bind(arrays)
    assert len(run.free_inputs) == 2
    np.testing.assert_array_equal(run(x, x)[0][0], x[1])
