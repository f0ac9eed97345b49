"""Products of windows from transposed images: where, and their sums against float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from neuronc.runtime.images import bind_images
from neuronc.runtime.memory import Array

SEED = 7
Pairs = list[tuple[Array, Array]]


def convolution(images: int, size: int, taps: int, stride: int, k: int = 64, m: int = 72) -> Pairs:
    """Pairs of [K, M] and windows [K, 2, rows, columns] of images, one after another."""
    rng = np.random.default_rng(SEED)
    pairs: Pairs = []
    for _ in range(images):
        image = rng.standard_normal((k, 2, size, size)).astype(np.float32)
        filters = rng.standard_normal((k, taps * taps, m)).astype(np.float32)
        windows = sliding_window_view(image, (taps, taps), axis=(2, 3))[:, :, ::stride, ::stride]
        pairs += [(filters[:, i], windows[..., i // taps, i % taps]) for i in range(taps * taps)]
    return pairs


def run(pairs: Pairs, accumulate: bool = False) -> Array:
    """The sums, as `bind_images` makes them."""
    (left, window), *_ = pairs
    dst = np.ones((left.shape[1], 512), np.float32)[:, : window[0].size]
    calls = bind_images(dst, pairs, accumulate)
    assert calls is not None
    for call in calls:
        call()
    return dst


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize(("images", "size", "taps", "stride"), [(1, 16, 3, 1), (3, 9, 3, 2)])
def test_sums_of_products_of_windows(
    images: int, size: int, taps: int, stride: int, accumulate: bool
) -> None:
    pairs = convolution(images, size, taps, stride)
    flat = [(w.astype(np.float64), x.reshape(len(x), -1).astype(np.float64)) for w, x in pairs]
    expected = np.sum([w.T @ x for w, x in flat], 0) + accumulate
    # One rounding of each of K sums, of magnitudes added up.
    magnitude = np.sum([abs(w).T @ abs(x) for w, x in flat], 0) + 1
    error = np.abs(run(pairs, accumulate) - expected)
    assert (error <= magnitude * 64 * len(pairs) * 2.0**-24).all()


def test_where_images_lie_changes_no_bit() -> None:
    """Neither their order in memory nor how far they are apart."""
    pairs = convolution(2, 9, 3, 1)
    turns = [pair for both in zip(pairs[:9], pairs[9:], strict=True) for pair in both]
    room = np.zeros((3, *pairs[0][1].shape[:2], 9, 9), np.float32)
    moved: Pairs = []
    for i, (left, window) in enumerate(turns):
        tap = i // 2
        to = sliding_window_view(room[2 * (1 - i % 2)], (3, 3), axis=(2, 3), writeable=True)
        part = to[..., tap // 3, tap % 3]
        part[...] = window
        moved.append((left, part))
    assert np.array_equal(run(moved), run(turns))


@pytest.mark.parametrize(
    "pairs",
    [
        convolution(1, 16, 3, 1, k=32),
        convolution(1, 16, 3, 1, m=32),
        convolution(1, 17, 1, 2),
        [(left, window[:, 0, 0]) for left, window in convolution(1, 16, 3, 1)],
        [(left, window.astype(np.float16)) for left, window in convolution(1, 16, 3, 1)],
        [(left, window[..., ::-1]) for left, window in convolution(1, 16, 3, 1)],
    ],
    ids=["few channels", "few results", "one of four", "no window", "small floats", "backwards"],
)
def test_what_is_not_worth_it_is_left_alone(pairs: Pairs) -> None:
    (left, window), *_ = pairs
    dst = np.zeros((left.shape[1], window[0].size), np.float32)
    assert bind_images(dst, pairs, False) is None
