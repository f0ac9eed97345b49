"""Attention as one kernel: found however it is written, and right where it is hard."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import neuronc
from neuronc.hardware import GENERATIONS
from neuronc.isa.instructions import DmaCopy
from neuronc.isa.prices import run_bytes
from neuronc.isa.records import rows_of
from neuronc.isa.table import Engine
from neuronc.timeline.simulate import simulate

Arrays = list[np.ndarray]
_RANDOM = np.random.default_rng(4)
_LOWEST = float(np.finfo(np.float32).min)


def _normal(*shape: int) -> np.ndarray:
    return _RANDOM.standard_normal(shape, np.float32)


def _dense(q, k, v, mask=None, bias=None, cap=0.0, hidden=-jnp.inf):
    """[B, H, T, D] attention, written out; heads of k and v are repeated."""
    group = q.shape[1] // k.shape[1]
    k, v = jnp.repeat(k, group, 1), jnp.repeat(v, group, 1)
    scores = jnp.einsum("bhqd,bhkd->bhqk", q, k) / np.sqrt(q.shape[-1])
    if cap:
        scores = cap * jnp.tanh(scores / cap)
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        scores = jnp.where(mask, scores, hidden)
    weights = jax.nn.softmax(scores.astype(jnp.float32)).astype(v.dtype)
    return jnp.einsum("bhqk,bhkd->bhqd", weights, v)


def _causal(q, k, v):
    """The last query sees all keys."""
    rows, columns = q.shape[2], k.shape[2]
    mask = jnp.arange(rows)[:, None] + columns - rows >= jnp.arange(columns)
    return _dense(q, k, v, mask).transpose(0, 2, 1, 3).reshape(q.shape[0], rows, -1)


def _window(q, k, v):
    rows, columns = jnp.arange(q.shape[2])[:, None], jnp.arange(k.shape[2])
    near = jnp.where(rows - columns < 40, _dense_scores(q, k), -jnp.inf)
    weights = jax.nn.softmax(jnp.where(rows >= columns, near, -jnp.inf))
    return jnp.einsum("bhqk,bhkd->bhqd", weights, v)


def _gemma(q, k, v):
    """A soft cap, and a window of keys as the conjunction of two comparisons: Gemma 2's."""
    scores = 30 * jnp.tanh(_dense_scores(q, k) / 30)
    behind = jnp.arange(q.shape[2])[:, None] - jnp.arange(k.shape[2])
    near = (behind >= 0) & (behind < 40)
    weights = jax.nn.softmax(jnp.where(near, scores, -2.38e38)).astype(v.dtype)
    return jnp.einsum("bhqk,bhkd->bhqd", weights, v)


def _library_window(q, k, v):
    return jax.nn.dot_product_attention(q, k, v, is_causal=True, local_window_size=(40, 0))


def _safe_rows(q, k, v, mask):
    """0 for a row that shows nothing, as torch decomposes its safe softmax."""
    scores = jnp.where(mask, _dense_scores(q, k), -jnp.inf)
    some = jnp.any(scores != -jnp.inf, -1, keepdims=True)
    weights = jnp.where(some, jax.nn.softmax(scores), 0)
    return jnp.einsum("bhqk,bhkd->bhqd", weights, v)


def _safe_sums(q, k, v, mask):
    """The same, by a maximum and a sum that are finite, and a product for the division."""
    scores = jnp.where(mask, _dense_scores(q, k), -jnp.inf)
    top = scores.max(-1, keepdims=True)
    powers = jnp.exp(scores - jnp.where(top == -jnp.inf, 0, top))
    total = powers.sum(-1, keepdims=True)
    weights = powers / jnp.where(total == 0, 1, total)
    return jnp.einsum("bhqk,bhkd->bhqd", weights, v)


def _reciprocal(q, k, v):
    scores = _dense_scores(q, k)
    powers = jnp.exp(scores - scores.max(-1, keepdims=True))
    weights = powers * (1 / powers.sum(-1, keepdims=True))
    return jnp.einsum("bhqk,bhkd->bhqd", weights, v)


def _dense_scores(q, k):
    return jnp.einsum("bhqd,bhkd->bhqk", q, k) / np.sqrt(q.shape[-1])


def _library(q, k, v):
    """[B, T, H, D], as flax and jax.nn have it."""
    return jax.nn.dot_product_attention(q, k, v, is_causal=True)


def _library_mask(q, k, v, mask):
    return jax.nn.dot_product_attention(q, k, v, mask=mask)


def _qkv(batch: int, heads: tuple[int, int], rows: int, keys: int, depth: int) -> Arrays:
    q = _normal(batch, heads[0], rows, depth)
    return [q, *(_normal(batch, heads[1], keys, depth) for _ in range(2))]


def _swapped(arrays: Arrays) -> Arrays:
    return [a.transpose(0, 2, 1, 3).copy() for a in arrays]


def _some(*shape: int) -> np.ndarray:
    """A random mask with a row that shows nothing, and one that shows its end only."""
    mask = _RANDOM.random(shape) > 0.4
    mask[..., 3, :] = False
    mask[..., 5, :-2] = False
    return mask


CASES: dict[str, tuple[Callable[..., jax.Array], Arrays]] = {
    "full": (_dense, _qkv(2, (2, 2), 100, 100, 64)),
    "causal": (_causal, _qkv(1, (2, 2), 300, 300, 32)),
    "shared keys": (_causal, _qkv(2, (4, 2), 70, 70, 16)),
    "one query": (_causal, _qkv(2, (4, 1), 1, 200, 64)),
    "few queries": (_causal, _qkv(1, (2, 2), 5, 300, 64)),
    "online": (_dense, _qkv(1, (1, 1), 130, 2500, 64)),
    "online and causal": (_causal, _qkv(1, (2, 1), 1500, 1500, 32)),
    "deep": (_causal, _qkv(1, (1, 1), 150, 150, 256)),
    "odd": (_causal, _qkv(1, (3, 3), 131, 257, 48)),
    "window": (_window, _qkv(1, (2, 2), 300, 300, 32)),
    "window and cap": (_gemma, _qkv(1, (2, 2), 300, 300, 32)),
    "window of jax.nn": (_library_window, _swapped(_qkv(1, (4, 2), 300, 300, 32))),
    "safe rows": (_safe_rows, [*_qkv(1, (2, 2), 64, 1300, 32), _some(1, 1, 64, 1300)]),
    "safe sums": (_safe_sums, [*_qkv(1, (2, 2), 64, 1300, 32), _some(1, 1, 64, 1300)]),
    "safe sums, online": (_safe_sums, [*_qkv(1, (1, 1), 64, 2500, 32), _some(1, 1, 64, 2500)]),
    "reciprocal": (_reciprocal, _qkv(1, (2, 2), 100, 100, 64)),
    "jax.nn": (_library, _swapped(_qkv(2, (4, 2), 96, 96, 32))),
    "jax.nn with a mask": (
        _library_mask,
        [*_swapped(_qkv(2, (4, 2), 96, 96, 32)), _some(2, 1, 96, 96)],
    ),
    "a mask, -inf": (_dense, [*_qkv(1, (2, 2), 64, 1300, 32), _some(1, 1, 64, 1300)]),
    "a mask, lowest": (
        lambda q, k, v, m: _dense(q, k, v, m, hidden=_LOWEST),
        [*_qkv(1, (2, 2), 64, 1300, 32), _some(1, 1, 64, 1300)],
    ),
    "many short": (
        _library_mask,
        [*_swapped(_qkv(5, (12, 12), 12, 12, 32)), _some(5, 1, 12, 12)],
    ),
    "short and odd": (
        lambda q, k, v, m, b: _dense(q, k, v, m, b),
        [*_qkv(3, (7, 7), 49, 49, 32), _some(3, 1, 49, 49), _normal(7, 49, 49)],
    ),
    "short and safe": (_safe_rows, [*_qkv(2, (6, 6), 40, 60, 16), _some(2, 1, 40, 60)]),
    "short and deep": (_causal, _qkv(2, (3, 3), 60, 70, 160)),
    "short, in two tiles": (_dense, _qkv(4, (6, 6), 197, 197, 64)),
    "a bias and a cap": (
        lambda q, k, v, b: _dense(q, k, v, bias=b, cap=50.0),
        [*_qkv(2, (4, 2), 96, 96, 32), _normal(4, 96, 96)],
    ),
}


def _bound(
    function: Callable[..., jax.Array], arrays: Arrays, unit: float
) -> tuple[np.ndarray, float]:
    """The result in float64, and how far one that rounds by `unit` may be from it.

    Scores of depth D err by at most D * unit * sum |q||k| / sqrt(D), and by the few roundings of
    the chain; exp turns that into a relative error, and the weighted mean keeps it; S more
    additions, divided by S weights that sum to 1, add S * unit. Random signs leave the square
    root of both counts, and 8 of that is never reached.
    """
    with jax.enable_x64(True):
        wide = [a if a.dtype == np.bool_ else a.astype(np.float64) for a in arrays]
        exact = np.asarray(function(*wide), np.float64)
    depth, keys = arrays[0].shape[-1], max(arrays[1].shape[1:3])
    return exact, 8 * unit * (np.sqrt(depth) + np.sqrt(keys)) * float(np.nanmax(np.abs(exact)))


def _moved_max(arrays: Arrays, result: np.ndarray, scores: int) -> int:
    """Bytes between HBM and the chip: all once, but a mask or bias at most once for each score."""
    beside = sum(a.itemsize * scores for a in arrays[3:])
    return sum(a.nbytes for a in arrays[:3]) + result.nbytes + beside


def _kernels(compiled: neuronc.Compiled) -> list[str]:
    return [kernel.name for kernel in compiled.model.kernels]


@pytest.mark.parametrize("name", CASES)
def test_attention_is_one_kernel_and_as_exact_as_its_types(name: str) -> None:
    function, arrays = CASES[name]
    compiled = neuronc.compile(jax.jit(function).lower(*arrays))
    assert [k for k in _kernels(compiled) if not k.startswith("map")] == ["attention_0"]
    (ours,) = neuronc.load(compiled, check=True)(*arrays)
    exact, bound = _bound(function, arrays, 2.0**-24)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(exact))
    assert np.nanmax(np.abs(ours - exact)) <= bound
    q, k = (a.size // a.shape[-1] for a in arrays[:2])
    scores = q * k // (arrays[1].shape[0] * min(arrays[1].shape[1:3]))
    assert compiled.report.hbm_moved_bytes <= _moved_max(arrays, ours, scores)


@pytest.mark.parametrize("kind", [ml_dtypes.bfloat16, np.float16], ids=["bf16", "f16"])
@pytest.mark.parametrize("name", ["full", "shared keys", "online", "a mask, -inf"])
def test_sixteen_bits_stay_within_their_rounding(name: str, kind: type) -> None:
    function, arrays = CASES[name]
    narrow = [a if a.dtype == np.bool_ else a.astype(kind) for a in arrays]
    compiled = neuronc.compile(jax.jit(function).lower(*narrow))
    assert "attention_0" in _kernels(compiled)
    (ours,) = neuronc.load(compiled)(*narrow)
    exact, _ = _bound(function, narrow, 0.0)
    # Weights and the result round once each, and the sum of weights is of those not rounded: three
    # half units of the type, relative to the mean of |v| under the weights, at most max |v|.
    unit = float(ml_dtypes.finfo(kind).eps)
    bound = 1.5 * unit * float(np.abs(narrow[2].astype(np.float32)).max())
    np.testing.assert_array_equal(np.isnan(ours.astype(np.float32)), np.isnan(exact))
    assert np.nanmax(np.abs(ours.astype(np.float64) - exact)) <= bound


def test_a_causal_mask_saves_nearly_half() -> None:
    arrays = [a.astype(ml_dtypes.bfloat16) for a in _qkv(1, (1, 1), 2048, 2048, 64)]
    full, causal = (neuronc.compile(jax.jit(f).lower(*arrays)).report for f in (_dense, _causal))
    assert causal.tensor_flops < 0.65 * full.tensor_flops


def test_short_heads_side_by_side_cost_little_more_than_one() -> None:
    """A head of 12 tokens is fixed costs of instructions and transfers: 60 share most of them."""
    few, many = (_swapped(_qkv(n, (12, 12), 12, 12, 32)) for n in (1, 5))
    shown = [np.ones((len(a[0]), 1, 1, 12), np.bool_) for a in (few, many)]
    one, all_ = (
        neuronc.compile(jax.jit(_library_mask).lower(*a, m)).report.seconds
        for a, m in zip((few, many), shown, strict=True)
    )
    assert all_ < 2.5 * one < 30e-6


def test_a_window_costs_what_it_shows_and_not_what_it_hides() -> None:
    arrays = [a.astype(ml_dtypes.bfloat16) for a in _qkv(1, (1, 1), 2048, 2048, 64)]
    full, near = (neuronc.compile(jax.jit(f).lower(*arrays)).report for f in (_dense, _gemma))
    # 40 keys before 128 queries are two tiles of 16, and transposes are of these too.
    assert near.tensor_flops < 0.2 * full.tensor_flops


def _step(q, k, v, position):
    """One query against a cache of which the keys up to `position` count: a decode step."""
    scores = jnp.einsum("hqd,hkd->hqk", q, k) / np.sqrt(q.shape[-1])
    shown = jnp.where(jnp.arange(k.shape[1]) <= position, scores, -jnp.inf)
    return jnp.einsum("hqk,hkd->hqd", jax.nn.softmax(shown), v)


@pytest.mark.parametrize(
    ("keys", "run"), [(1024, 2048), (3072, 2048), (640, 1280)], ids=["exact", "long", "odd"]
)
def test_a_decode_step_reads_its_cache_in_long_runs(keys: int, run: int) -> None:
    """A partition has as many neighbours of 64 numbers as divide its keys: 8, 8 of 24, and 5."""
    arrays = [_normal(2, n, 64) for n in (1, keys, keys)] + [np.array(keys - 100, np.int32)]
    compiled = neuronc.compile(jax.jit(_step).lower(*arrays))
    (ours,) = neuronc.load(compiled, check=True)(*arrays)
    exact, bound = _bound(_step, arrays, 2.0**-24)
    assert np.abs(ours - exact).max() <= bound
    streams = (kernel.streams[Engine.DMA_IN] for kernel in compiled.model.kernels)
    rows = np.concatenate([rows_of(s, DmaCopy, s["opcode"] == DmaCopy.opcode) for s in streams])
    wide = rows[rows["dst"]["partitions"] == 128]
    assert np.minimum(run_bytes(wide["src"]), run_bytes(wide["dst"])).max() == run


def test_no_scores_reach_hbm() -> None:
    arrays = _qkv(1, (2, 2), 512, 512, 64)
    compiled = neuronc.compile(jax.jit(_dense).lower(*arrays))
    assert compiled.report.footprint.temporary_bytes == 0
    assert compiled.report.hbm_moved_bytes == 4 * arrays[0].nbytes


def test_stores_do_not_wait_for_the_loads_of_heads_to_come() -> None:
    """The vector engine waits for a store only at the start, while the first heads arrive."""
    arrays = [a.astype(ml_dtypes.bfloat16) for a in _qkv(1, (10, 10), 2048, 2048, 128)]
    compiled = neuronc.compile(jax.jit(_dense).lower(*arrays))
    (kernel,) = compiled.model.kernels
    timeline = simulate(kernel.streams, GENERATIONS[compiled.model.target])
    track = timeline.tracks[Engine.VECTOR]
    idle = track.start - np.concatenate([[0.0], track.stop[:-1]])
    assert idle[track.cause == Engine.DMA_OUT].sum() < 0.02 * timeline.seconds
