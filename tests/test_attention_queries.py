"""Attention of few queries a head: all heads at once, as exact as a tile of queries."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import neuronc
from neuronc.isa.instructions import Activation, Transpose
from neuronc.isa.records import rows_of
from neuronc.isa.table import Engine
from neuronc.passes import tile_attention_forms as forms
from neuronc.passes.tile_attention_query_plan import query_plans

Arrays = list[np.ndarray]
_RANDOM = np.random.default_rng(11)
_LOWEST = float(np.finfo(np.float32).min)


def _normal(*shape: int) -> np.ndarray:
    return _RANDOM.standard_normal(shape, np.float32)


def _attend(q, k, v, *more, use: Callable | None = None, safe=False, swapped=False):
    """[B, H, T, D] attention; heads of q share those of k and v; `use` changes the scores."""
    if swapped:
        q, k, v = (jnp.swapaxes(a, 1, 2) for a in (q, k, v))
    (b, h, t, d), g = q.shape, k.shape[1]
    scores = jnp.einsum("bgrtd,bgsd->bgrts", q.reshape(b, g, h // g, t, d), k) / np.sqrt(d)
    if use is not None:
        scores = use(scores, *more)
    weights = jax.nn.softmax(scores.astype(jnp.float32)).astype(v.dtype)
    if safe:
        weights = jnp.where(jnp.any(scores != -jnp.inf, -1, keepdims=True), weights, 0)
    made = jnp.einsum("bgrts,bgsd->bgrtd", weights, v).reshape(b, h, t, d)
    return jnp.swapaxes(made, 1, 2) if swapped else made


def _masked(scores, mask, hidden=-jnp.inf):
    return jnp.where(mask, scores, hidden)


def _causal(scores, window=1 << 20):
    """The last query sees all keys, or the last `window`."""
    rows, columns = scores.shape[-2:]
    behind = jnp.arange(rows)[:, None] + columns - rows - jnp.arange(columns)
    return jnp.where(behind < window, jnp.where(behind >= 0, scores, -jnp.inf), -jnp.inf)


def _until(scores, position):
    """Keys of a cache up to a position that is data."""
    rows, columns = scores.shape[-2:]
    shown = jnp.arange(columns) <= position + jnp.arange(rows)[:, None]
    return jnp.where(shown, scores, -jnp.inf)


def _capped(scores, bias, mask):
    return jnp.where(mask, 20 * jnp.tanh((scores + bias) / 20), -1e9)


def _qkv(
    batch: int, heads: tuple[int, int], rows: int, keys: int, depth: int, swapped: bool = False
) -> Arrays:
    found = [_normal(batch, heads[0], rows, depth)]
    found += [_normal(batch, heads[1], keys, depth) for _ in range(2)]
    return [a.swapaxes(1, 2).copy() for a in found] if swapped else found


def _some(*shape: int) -> np.ndarray:
    """A random mask; the last of the first axis shows nothing."""
    mask = _RANDOM.random(shape) > 0.4
    mask[-1] = False
    return mask


_POSITION = np.array(37, np.int32)
CASES: dict[str, tuple[Callable[..., jax.Array], Arrays]] = {
    "cache": (partial(_attend, use=_until), [*_qkv(1, (12, 12), 1, 1024, 64), _POSITION]),
    "cache, shared": (partial(_attend, use=_until), [*_qkv(1, (8, 2), 2, 1000, 64), _POSITION]),
    "cache, by key": (
        partial(_attend, use=_until, swapped=True),
        [*_qkv(2, (6, 3), 1, 384, 32, True), _POSITION],
    ),
    "cross": (_attend, _qkv(2, (4, 4), 1, 257, 64)),
    "short": (_attend, _qkv(3, (2, 2), 1, 17, 64)),
    "odd heads": (_attend, _qkv(1, (5, 5), 1, 640, 48)),
    "wide": (_attend, _qkv(1, (4, 2), 3, 200, 256)),
    "many heads": (partial(_attend, swapped=True), _qkv(16, (12, 12), 1, 256, 16, True)),
    "causal": (partial(_attend, use=_causal), _qkv(1, (4, 2), 4, 300, 64)),
    "window": (partial(_attend, use=partial(_causal, window=100)), _qkv(1, (4, 4), 3, 1000, 32)),
    "mask": (partial(_attend, use=_masked), [*_qkv(2, (4, 2), 1, 300, 64), _some(2, 1, 1, 1, 300)]),
    "mask, safe": (
        partial(_attend, use=_masked, safe=True),
        [*_qkv(2, (4, 2), 1, 300, 64), _some(2, 1, 1, 1, 300)],
    ),
    "mask, lowest": (
        partial(_attend, use=partial(_masked, hidden=_LOWEST)),
        [*_qkv(2, (4, 4), 1, 300, 64), _some(2, 1, 1, 1, 300)],
    ),
    "bias": (
        partial(_attend, use=lambda s, b: s + b),
        [*_qkv(2, (4, 2), 2, 256, 64), _normal(1, 2, 2, 1, 256)],
    ),
    "bias, cap, mask": (
        partial(_attend, use=_capped),
        [
            *_qkv(1, (4, 4), 1, 512, 64),
            _normal(1, 4, 1, 1, 512),
            _RANDOM.random((1, 1, 1, 1, 512)) > 0.5,
        ],
    ),
}


@pytest.fixture(params=["vector", "tensor"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Take the form with keys on the partitions whatever it costs, scores by one engine."""
    turned = request.param == "tensor"

    def chosen(*arguments):
        plans = [p for p in query_plans(*arguments) if bool(p.key_pack) == turned]
        return plans[0] if plans else pytest.skip("one query a head only")

    monkeypatch.setattr(forms, "chosen_plan", chosen)
    return request.param


def _bound(arrays: Arrays, exact: np.ndarray, unit: float) -> float:
    """As in test_attention: sums of D and of S numbers with random signs, 8 of it never reached."""
    depth, keys = arrays[0].shape[-1], max(arrays[1].shape[1:3])
    return 8 * unit * (np.sqrt(depth) + np.sqrt(keys)) * float(np.nanmax(np.abs(exact)))


def _exact(function: Callable[..., jax.Array], arrays: Arrays) -> np.ndarray:
    with jax.enable_x64(True):
        wide = [a if a.dtype.kind in "bi" else a.astype(np.float64) for a in arrays]
        return np.asarray(function(*wide), np.float64)


@pytest.mark.parametrize("name", CASES)
def test_both_forms_are_as_exact_as_float32(name: str, form: str) -> None:
    function, arrays = CASES[name]
    compiled = neuronc.compile(jax.jit(function).lower(*arrays))
    (ours,) = neuronc.load(compiled, check=True)(*arrays)
    exact = _exact(function, arrays)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(exact))
    assert np.nanmax(np.abs(ours - exact)) <= _bound(arrays, exact, 2.0**-24)


@pytest.mark.parametrize("name", ["cross", "cache, shared", "wide"])
def test_sixteen_bits_stay_within_their_rounding(name: str, form: str) -> None:
    function, arrays = CASES[name]
    narrow = [a.astype(ml_dtypes.bfloat16) if a.dtype.kind == "f" else a for a in arrays]
    compiled = neuronc.compile(jax.jit(function).lower(*narrow))
    (ours,) = neuronc.load(compiled)(*narrow)
    # Weights and the result round once each, relative to the mean of |v| under the weights.
    bound = 1.5 * 2.0**-7 * float(np.abs(narrow[2].astype(np.float32)).max())
    assert np.abs(ours.astype(np.float64) - _exact(function, narrow)).max() <= bound


def test_a_nan_stays_in_its_head() -> None:
    q, k, v = _qkv(1, (4, 4), 1, 256, 64)
    q[0, 1, 0, 5] = np.nan
    compiled = neuronc.compile(jax.jit(_attend).lower(q, k, v))
    (ours,) = neuronc.load(compiled)(q, k, v)
    np.testing.assert_array_equal(np.isnan(ours).all((2, 3))[0], [False, True, False, False])
    assert np.isfinite(ours[0, [0, 2, 3]]).all()


def _count(compiled: neuronc.Compiled, engine: Engine, kind: type) -> int:
    streams = (kernel.streams[engine] for kernel in compiled.model.kernels)
    return sum(len(rows_of(s, kind, s["opcode"] == kind.opcode)) for s in streams)


def _step(heads: int) -> neuronc.Compiled:
    arrays = _qkv(1, (heads, heads), 1, 1024, 64)
    return neuronc.compile(jax.jit(_attend).lower(*arrays))


def test_one_exponential_is_of_all_heads_and_keys_are_not_transposed() -> None:
    compiled = _step(12)
    assert _count(compiled, Engine.SCALAR, Activation) == 1
    # The maxima and back, and the result.
    assert _count(compiled, Engine.TENSOR, Transpose) == 3


def test_a_head_more_costs_its_bytes_and_little_else() -> None:
    """Of a cache of 0.5 MB a head the DMA takes 1.4 us; 8 us each when they took turns."""
    few, many = (_step(heads).report.seconds for heads in (4, 16))
    assert (many - few) / 12 < 3e-6


@pytest.mark.parametrize("rows", [1, 40])
def test_a_single_head_and_many_queries_keep_a_tile_of_queries(rows: int) -> None:
    """Two tiles of keys, then two of weights are transposed; all heads at once transposes 3."""
    compiled = neuronc.compile(jax.jit(_attend).lower(*_qkv(1, (1, 1), rows, 256, 64)))
    assert _count(compiled, Engine.TENSOR, Transpose) >= 4
