"""Small programs all the way: compiled, written, loaded, proved, run, and compared with JAX.

JAX on the CPU is the reference; it shares no code with neuronc. Both sides round to the type's
precision at every step, in different orders. A chain of n roundings is off by at most n * eps of
the magnitudes that it adds up, and those are at most a few times the largest output in these
programs (random signs), so `roundings` counts the steps of the longest chain, and the two results
may differ by 2 * roundings * eps of the largest output. Programs that only move data, count or
compare have none: they must agree exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax import lax

from neuronc.artifact.container import to_bytes
from neuronc.artifact.model import Artifact
from neuronc.errors import CapacityError
from neuronc.hardware import GENERATIONS, TRN2
from neuronc.pipeline import Options, compile_artifact
from neuronc.runtime.load import load
from neuronc.runtime.program import Program

Array = jax.Array
Arrays = list[np.ndarray]


@dataclass(frozen=True)
class Case:
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    roundings: int


CASES: dict[str, Case] = {}


def case(*args: Any, roundings: int = 0) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function into the table, with its arguments."""

    def enter(fn: Callable[..., Any]) -> Callable[..., Any]:
        CASES[fn.__name__] = Case(fn, args, roundings)
        return fn

    return enter


def normal(*shape: int) -> np.ndarray:
    """Random float32, the same at every run."""
    return np.random.default_rng(sum(shape) + len(shape)).standard_normal(shape, np.float32)


def whole(low: int, high: int, *shape: int) -> np.ndarray:
    """Random int32."""
    return np.random.default_rng(high).integers(low, high, shape).astype(np.int32)


@case(normal(4, 100), normal(100, 33), roundings=100)
def matmul(a: Array, b: Array) -> Array:
    return a @ b


@case(normal(200, 300), normal(300, 700), normal(700), roundings=300 + 20)
def matmul_gelu(x: Array, w: Array, b: Array) -> Array:
    return jax.nn.gelu(x @ w + b)


@case(normal(3, 50, 60), normal(3, 60, 70), roundings=60)
def matmul_batched(a: Array, b: Array) -> Array:
    return jnp.einsum("bij,bjk->bik", a, b)


@case(normal(3, 50, 60), normal(3, 70, 60), roundings=60)
def matmul_batched_transposed(a: Array, b: Array) -> Array:
    return jnp.einsum("bij,bkj->bik", a, b)


@case(normal(50, 8, 16), normal(50, 8, 16), roundings=16)
def attention_scores(q: Array, k: Array) -> Array:
    return jnp.einsum("thd,shd->hts", q, k)


@case(normal(1, 5), normal(5, 600), normal(600), roundings=600)
def matmul_vectors(a: Array, b: Array, c: Array) -> tuple[Array, Array]:
    return jnp.tanh(a @ b + c), b @ c


@case(normal(3), normal(4), roundings=1)
def outer(a: Array, b: Array) -> Array:
    return jnp.outer(a, b)


@case(normal(128, 1000), normal(1000), normal(1000), roundings=2 * 1000 + 5)
def layer_norm(x: Array, g: Array, b: Array) -> Array:
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / jnp.sqrt(variance + 1e-5) * g + b


@case(normal(5, 7, 300), roundings=300 + 4)
def softmax(x: Array) -> Array:
    return jax.nn.softmax(x, -1)


@case(normal(5, 300, 7), roundings=300 + 4)
def softmax_in_the_middle(x: Array) -> Array:
    return jax.nn.softmax(x, 1)


@case(normal(3, 60_000), roundings=1000)
def softmax_that_streams(x: Array) -> Array:
    """Rows wider than SBUF. JAX adds in blocks, and positive terms are off by far less than n."""
    return jax.nn.softmax(x, -1)


@case(normal(300, 700), roundings=1000)
def reductions(x: Array) -> tuple[Array, ...]:
    """The mean of 210,000: both add in blocks of at most a thousand or so."""
    return x.sum(0), x.max(1), x.min(), jnp.abs(x).mean()


@case(normal(2, 3, 4, 5), roundings=60)
def reductions_of_inner_dimensions(x: Array) -> tuple[Array, ...]:
    return x.sum((1, 3)), x.prod(2), x.max((0, 2))


@case(normal(64, 48), whole(0, 64, 3, 20))
def embedding(w: Array, i: Array) -> Array:
    return w[i]


@case(normal(64, 48), whole(0, 64, 30), normal(30, 48), roundings=8)
def scatter_add(w: Array, i: Array, u: Array) -> Array:
    """A row is hit a few times."""
    return w.at[i].add(u)


@case(
    normal(64, 48), np.random.default_rng(0).permutation(64)[:30].astype(np.int32), normal(30, 48)
)
def scatter_set(w: Array, i: Array, u: Array) -> tuple[Array, Array]:
    return w.at[i].set(u), w * 2


@case(normal(8, 5), np.roll(np.arange(8), 3).astype(np.int32), roundings=2)
def scatter_from_what_it_updates(a: Array, i: Array) -> Array:
    x = a + 1
    return x.at[i].add(x)


@case(normal(8, 5), whole(0, 8, 8), roundings=16)
def scatter_in_a_loop(a: Array, i: Array) -> Array:
    return lax.fori_loop(0, 3, lambda _, x: x.at[i].max(x[::-1] * 0.5), a * 2)


@case(normal(8, 6, 4), np.int32(3))
def dynamic_slice(x: Array, i: Array) -> Array:
    return lax.dynamic_slice(x, (i, 1, 0), (2, 3, 4))


@case(normal(8, 6, 4), normal(2, 3, 4), np.int32(7), roundings=1)
def dynamic_update_slice(x: Array, u: Array, i: Array) -> tuple[Array, Array]:
    """The start is clamped to 6."""
    return lax.dynamic_update_slice(x, u, (i, 1, 0)), x + 1


@case(normal(3, 4), normal(2, 4))
def concatenate(a: Array, b: Array) -> Array:
    return jnp.concatenate([a, b, a * 2], 0)


@case(normal(3, 4))
def pad(a: Array) -> tuple[Array, Array]:
    constant = jnp.float32(1.5)
    inner = lax.pad(a, constant, [(1, -1, 2), (-1, 3, 0)])
    return jnp.pad(a, ((1, 2), (0, 3)), constant_values=1.5), inner


@case(normal(3, 4, 5))
def layouts(a: Array) -> tuple[Array, ...]:
    return a.transpose(2, 0, 1).reshape(5, 12), a[::-1, 1:3], a[:, ::2, None].transpose(3, 2, 1, 0)


@case(normal(600, 700), roundings=1)
def transpose_large(a: Array) -> Array:
    return a.T + 1


@case(normal(2, 3, 20, 20), normal(8, 3, 3, 3), roundings=27)
def convolution_same(x: Array, w: Array) -> Array:
    return lax.conv_general_dilated(x, w, (1, 1), "SAME")


NHWC = ("NHWC", "HWIO", "NHWC")


@case(normal(2, 20, 20, 3), normal(3, 3, 3, 8), normal(8), roundings=28)
def convolution_strided_features_last(x: Array, w: Array, b: Array) -> Array:
    out = lax.conv_general_dilated(x, w, (2, 2), "SAME", dimension_numbers=NHWC)
    return jax.nn.relu(out + b)


@case(normal(2, 8, 9, 9), normal(8, 4, 3, 3), roundings=36)
def convolution_grouped(x: Array, w: Array) -> Array:
    return lax.conv_general_dilated(x, w, (1, 1), "VALID", feature_group_count=2)


@case(normal(2, 9, 9, 8), normal(3, 3, 1, 8), roundings=9)
def convolution_depthwise(x: Array, w: Array) -> Array:
    return lax.conv_general_dilated(
        x, w, (1, 1), "VALID", dimension_numbers=NHWC, feature_group_count=8
    )


@case(normal(2, 3, 9, 9), normal(4, 3, 3, 3), roundings=27)
def convolution_dilated(x: Array, w: Array) -> Array:
    return lax.conv_general_dilated(
        x, w, (1, 1), [(2, 1), (0, 3)], lhs_dilation=(2, 1), rhs_dilation=(1, 2)
    )


@case(normal(4, 6, 9), normal(5, 6, 3), roundings=18)
def convolution_of_one_dimension(x: Array, w: Array) -> Array:
    return lax.conv_general_dilated(x, w, (1,), "SAME")


@case(normal(2, 3, 8, 8), normal(4, 3, 3, 3), roundings=2 * 64 * 4)
def convolution_gradients(x: Array, w: Array) -> tuple[Array, Array]:
    """A transposed convolution, and one with batch groups."""

    def loss(x: Array, w: Array) -> Array:
        return (lax.conv_general_dilated(x, w, (2, 2), "SAME") ** 2).sum()

    return jax.grad(loss, (0, 1))(x, w)


@case(normal(2, 3, 16, 16))
def max_pool(x: Array) -> Array:
    edges = [(0, 0), (0, 0), (1, 1), (1, 1)]
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 3, 3), (1, 1, 2, 2), edges)


@case(normal(2, 16, 16, 3), roundings=4)
def average_pool(x: Array) -> Array:
    return lax.reduce_window(x, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID") / 4


@case(normal(2, 4, 6, 6), roundings=4)
def max_pool_gradient(x: Array) -> Array:
    def pool(x: Array) -> Array:
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 1, 1), "VALID").sum()

    return jax.grad(pool)(x)


@case(normal(7, 500))
def argmax(x: Array) -> tuple[Array, Array]:
    return jnp.argmax(x, -1), jnp.argmin(x, 0)


@case(np.int32(5), normal(4), roundings=10)
def while_loop(n: Array, x: Array) -> Any:
    def body(carry: Any) -> Any:
        i, v, w = carry
        return i + 1, w * 1.5 + v, v

    return lax.while_loop(lambda carry: carry[0] < n, body, (jnp.int32(0), x, x * 2))


@case(normal(3, 3), np.int32(1), roundings=1)
def branches(x: Array, i: Array) -> Any:
    chosen = lax.cond(i > 0, lambda x: (x + 1, x * 2), lambda x: (x * 3, x), x)
    return chosen, lax.switch(i + 5, [lambda x: x, lambda x: x * x, lambda x: x + x], x)


@case(normal(6, 5), roundings=6)
def scan(x: Array) -> Any:
    return lax.scan(lambda c, v: (c + v, c * v), jnp.zeros(5), x)


@case(normal(100), whole(-50, 50, 100), roundings=4)
def floats_and_integers(x: Array, i: Array) -> tuple[Array, ...]:
    chosen = jnp.where(x > 0, jnp.exp(x), jnp.floor(x))
    return chosen, i // 3, i % 7, (i * i).astype(jnp.float32), jnp.sum(i), jnp.sort(x)


@case(normal(2, 5), roundings=8)
def special_functions(x: Array) -> tuple[Array, ...]:
    return jax.scipy.special.erf(x), jax.nn.sigmoid(x), jnp.cumsum(x, 1), jnp.tanh(x)


@case(normal(2, 5) > 0, whole(0, 255, 6).astype(np.uint8), whole(-9, 9, 7).astype(np.int8))
def narrow_types(p: Array, u: Array, i: Array) -> tuple[Array, ...]:
    return ~p, p.any(1), u + jnp.uint8(200), u >> 1, i * i, i.astype(jnp.bfloat16)


@case(
    normal(64, 32).astype(ml_dtypes.bfloat16),
    normal(32, 16).astype(ml_dtypes.bfloat16),
    roundings=2,
)
def bfloat16(a: Array, b: Array) -> Array:
    """Sums are kept in float32; what is rounded to bfloat16 is the product, then the function."""
    return jnp.tanh(a @ b)


@case(normal(0, 4), normal(4, 3))
def nothing(a: Array, b: Array) -> tuple[Array, Array]:
    return a @ b, a.sum(0)


def loss(w: list[Array], x: Array, y: Array) -> Array:
    hidden = jnp.tanh(x @ w[0])
    chosen = jax.nn.log_softmax(hidden @ w[1])
    return -chosen[jnp.arange(8), y].mean()


@case(
    [normal(10, 20), normal(20, 6)], normal(8, 10), whole(0, 6, 8), roundings=2 * (10 + 20 + 6 + 8)
)
def training_step(w: list[Array], x: Array, y: Array) -> Any:
    value, gradient = jax.value_and_grad(loss)(w, x, y)
    return value, [a - 0.1 * b for a, b in zip(w, gradient, strict=True)]


def inputs_of(name: str) -> Arrays:
    return [np.asarray(x) for x in jax.tree.leaves(CASES[name].args)]


@cache
def expected(name: str) -> Arrays:
    fn, args = CASES[name].fn, CASES[name].args
    return [np.asarray(x) for x in jax.tree.leaves(jax.jit(fn)(*args))]


@cache
def lowered(name: str) -> Any:
    return jax.jit(CASES[name].fn, keep_unused=True).lower(*CASES[name].args)


def compiled(name: str, target: str) -> Artifact:
    return compile_artifact(lowered(name), name, Options(target=target))


def assert_agrees(name: str, outputs: Arrays) -> None:
    """Shapes and types are JAX's, and so are the numbers, up to the roundings."""
    for i, (ours, theirs) in enumerate(zip(outputs, expected(name), strict=True)):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        if not CASES[name].roundings or theirs.dtype.kind in "biu":
            np.testing.assert_array_equal(ours, theirs)
        elif theirs.size:
            wide, exact = ours.astype(np.float64), theirs.astype(np.float64)
            eps = float(ml_dtypes.finfo(theirs.dtype).eps)
            allowed = 2 * CASES[name].roundings * eps * np.abs(exact).max()
            assert np.abs(wide - exact).max() <= allowed, f"output {i}"


@pytest.mark.parametrize("target", GENERATIONS)
@pytest.mark.parametrize("name", CASES)
def test_a_program_is_proved_and_agrees_with_jax(name: str, target: str) -> None:
    program = load(to_bytes(compiled(name, target)), check=True)
    assert_agrees(name, program(*inputs_of(name)))


@pytest.mark.parametrize("name", CASES)
def test_compiling_again_gives_the_same_bytes(name: str) -> None:
    assert to_bytes(compiled(name, "trn2")) == to_bytes(compiled(name, "trn2"))


@pytest.mark.parametrize("name", CASES)
def test_the_order_of_records_does_not_change_a_bit(name: str) -> None:
    """Any order that the waits allow; merged matmuls, with any number of threads."""
    artifact, arrays = compiled(name, "trn2"), inputs_of(name)
    literal = [Program(artifact, check=True, seed=seed) for seed in (None, 0, 1)]
    merged = [Program(artifact, workers=workers) for workers in (1, 3)]
    for first, *others in (literal, merged):
        outputs = first(*arrays)
        for program in others:
            for one, other in zip(outputs, program(*arrays), strict=True):
                assert one.tobytes() == other.tobytes()


SMALLER: dict[str, dict[str, int]] = {
    # A quarter of the array, a twelfth of the memory.
    "small-array": {
        "partitions": 32,
        "stationary_columns_max": 32,
        "sbuf_bytes_per_partition": 16 << 10,
        "psum_bytes_per_partition": 4 << 10,
        "psum_bank_bytes": 512,
        "matmul_columns_max": 128,
    },
    # The least PSUM that holds a transposed row block beside its accumulators.
    "tiny": {
        "sbuf_bytes_per_partition": 2 << 10,
        "psum_bytes_per_partition": 2 << 10,
        "psum_bank_bytes": 512,
        "matmul_columns_max": 128,
    },
}


@pytest.mark.parametrize("target", SMALLER)
@pytest.mark.parametrize("name", CASES)
def test_a_smaller_chip_is_only_data(
    name: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same programs on chips that do not exist, within their limits."""
    hw = replace(TRN2, name=target, **SMALLER[target])
    monkeypatch.setitem(GENERATIONS, target, hw)
    artifact = compiled(name, target)
    for kernel in artifact.kernels:
        assert kernel.sbuf_bytes <= hw.sbuf_bytes_per_partition
        assert kernel.psum_bytes <= hw.psum_bytes_per_partition
    assert_agrees(name, load(to_bytes(artifact), check=True)(*inputs_of(name)))


def test_a_chip_without_room_for_one_block_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hw = replace(TRN2, name="none", sbuf_bytes_per_partition=64)
    monkeypatch.setitem(GENERATIONS, "none", hw)
    with pytest.raises(CapacityError, match="needs more SBUF than the 64 bytes of a partition"):
        compiled("matmul_gelu", "none")
