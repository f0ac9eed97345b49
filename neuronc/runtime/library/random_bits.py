"""Random numbers: the counter-based generators Threefry-2x32 and Philox-4x32.

Both follow Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), with the
counter layout of XLA, so that equal states give equal bits. DEFAULT is Philox, as on XLA's CPU.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neuronc.numerics import cast
from neuronc.numerics.casting import Array, bits
from neuronc.runtime.library.registry import Params, ResultType, library

U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


@library("rng_bit_generator")
def rng_bit_generator(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """Random bits of the result's shape from a state [key, counter..], and the next state."""
    state = np.ascontiguousarray(operands[0]).view(np.uint64)
    shape, width = results[1].shape, 8 * results[1].dtype.itemsize
    threefry = params["rng_algorithm"] == "THREE_FRY"
    generate = _threefry_bits if threefry else _philox_bits
    with np.errstate(over="ignore"):
        words, following = generate(state, shape, width)
    if bits(results[1].dtype) < 8:  # a byte whose upper bits are not zero is no such element
        words = words & ((1 << bits(results[1].dtype)) - 1)
    output = words.astype(f"u{width // 8}").view(results[1].dtype).reshape(shape)
    return [following.view(operands[0].dtype), output]


def _split(x: U64) -> tuple[U32, U32]:
    """Low and high halves."""
    return (x & _LOW).astype(np.uint32), (x >> _HALF).astype(np.uint32)


def _join(low: U32, high: U32) -> U64:
    return low.astype(np.uint64) | (high.astype(np.uint64) << _HALF)


def threefry(x0: U32, x1: U32, key: tuple[U32, U32]) -> tuple[U32, U32]:
    """Twenty rounds of Threefry-2x32 on counters (x0, x1)."""
    keys = (*key, key[0] ^ key[1] ^ np.uint32(0x1BD11BDA))
    x0, x1 = x0 + keys[0], x1 + keys[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = x0 ^ ((x1 << np.uint32(rotation)) | (x1 >> np.uint32(32 - rotation)))
        x0 = x0 + keys[(group + 1) % 3]
        x1 = x1 + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x0, x1


def _threefry_bits(state: U64, shape: tuple[int, ...], width: int) -> tuple[Array, U64]:
    """XLA's layout: one block gives one 64-bit number, or two 32-bit ones along a split axis."""
    key = _split(state[0:1])
    if width == 64:
        count = int(np.prod(shape, dtype=np.int64))
        low, high = threefry(*_split(state[1] + np.arange(count, dtype=np.uint64)), key)
        return _join(low, high).reshape(shape), _advance(state, count)
    if shape == ():
        first, _ = threefry(*_split(state[1:2]), key)
        return first.reshape(()), _advance(state, 1)
    axis = _split_axis(shape)
    half = (*shape[:axis], (shape[axis] + 1) // 2, *shape[axis + 1 :])
    count = int(np.prod(half, dtype=np.int64))
    pair = threefry(*_split(state[1] + np.arange(count, dtype=np.uint64)), key)
    stacked = np.stack([word.reshape(half) for word in pair], axis=axis + 1)
    even = (*shape[:axis], 2 * half[axis], *shape[axis + 1 :])
    kept = (slice(None),) * axis + (slice(0, shape[axis]),)
    return stacked.reshape(even)[kept], _advance(state, count)


def _split_axis(shape: tuple[int, ...]) -> int:
    """The first axis of even extent, else the first of the largest."""
    even = [d for d, extent in enumerate(shape) if extent % 2 == 0]
    return even[0] if even else int(np.argmax(shape))


def _advance(state: U64, count: int) -> U64:
    """The state with its 64-bit counter moved on."""
    return np.concatenate([state[:1], state[1:] + np.uint64(count)])


def philox(x: tuple[U32, U32, U32, U32], key: tuple[U32, U32]) -> tuple[U32, U32, U32, U32]:
    """Ten rounds of Philox-4x32 on counters x."""
    k0, k1 = key
    for _ in range(10):
        low0, high0 = _split(x[0].astype(np.uint64) * np.uint64(0xD2511F53))
        low1, high1 = _split(x[2].astype(np.uint64) * np.uint64(0xCD9E8D57))
        x = (high1 ^ x[1] ^ k0, low1, high0 ^ x[3] ^ k1, low0)
        k0, k1 = k0 + np.uint32(0x9E3779B9), k1 + np.uint32(0xBB67AE85)
    return x


def _philox_bits(state: U64, shape: tuple[int, ...], width: int) -> tuple[Array, U64]:
    """Four 32-bit or two 64-bit numbers per block, in order of the elements."""
    count = int(np.prod(shape, dtype=np.int64))
    blocks = -(-count * (2 if width == 64 else 1) // 4)
    low = state[1] + np.arange(blocks, dtype=np.uint64)
    top = state[2] if len(state) > 2 else state[0]  # as XLA fills a short state
    high = top + (low < state[1]).astype(np.uint64)
    words = philox((*_split(low), *_split(high)), _split(state[0:1]))
    stacked = np.stack(words, axis=1)
    numbers = _join(stacked[:, 0::2], stacked[:, 1::2]) if width == 64 else stacked
    following = state.copy()
    following[1] += np.uint64(blocks)
    if len(state) > 2 and following[1] < state[1]:
        following[2] += np.uint64(1)
    return numbers.reshape(-1)[:count].reshape(shape), following


@library("rng")
def rng(params: Params, operands: Sequence[Array], results: Sequence[ResultType]) -> list[Array]:
    """Numbers from UNIFORM [a, b) or NORMAL (mean a, deviation b); the same on every run."""
    shape, dtype = results[0].shape, results[0].dtype
    words, _ = _philox_bits(np.array([0, 0], np.uint64), (2, *shape), 64)
    unit = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
    a, b = (x.astype(np.float64) for x in operands[:2])
    if params["rng_distribution"] == "NORMAL":
        normal = np.sqrt(-2 * np.log1p(-unit[0])) * np.cos(2 * np.pi * unit[1])
        return [cast(a + b * normal, dtype)]
    value = a + (b - a) * unit[0]
    return [cast(np.floor(value) if dtype.kind in "iub" else value, dtype)]
