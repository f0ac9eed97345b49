"""Products of the windows of images, from images whose rows are pixels and not channels.

    dst[M, (8, 7, 7)] = sum over taps of left.T @ moving[K, (81, 8) (9, 7) (1, 7)]
  becomes
    image[648, K] = the run that all taps are taken from, transposed
    sums[392, M] = sum over taps of image[(81, 8) (9, 7) (1, 7), K] @ left;  dst = sums.T

A window of channels is copied together an image row's few elements at a time, one of pixels all
channels of a row at a time: 50,000 elements in 3 us and not 25. And OpenBLAS multiplies a fifteenth
faster what has its short side last. The sums of each element are added in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from neuronc.runtime.gemm import bind_gemm
from neuronc.runtime.memory import Array
from neuronc.runtime.rooms import room
from neuronc.runtime.turning import bind_turned

Call = Callable[[], object]
SIDE_MIN = 64
"""Channels of image and result that are worth it: of 32 and 32 it takes a fifth more."""
AREA_MAX = 2
"""Elements of an image for each of its windows, up to which it is worth to be transposed."""
_FLOAT = np.dtype(np.float32)


@dataclass(frozen=True)
class _Image:
    """A run [K, N] in memory, and the windows that are parts of it."""

    pixels: Array
    starts: dict[int, int]
    """By number of the window, its first column."""


def bind_images(
    dst: Array, pairs: Sequence[tuple[Array, Array]], accumulate: bool
) -> list[Call] | None:
    """The calls for dst[M, N] (+)= the sum of left[K, M].T @ moving[K, ...] over pairs.

    None where the moving operands are no windows of images, or it is not worth it.
    """
    plain = dst.dtype == _FLOAT and all(left.ndim == 2 for left, _ in pairs)
    if not plain or min(len(dst), *(len(left) for left, _ in pairs)) < SIDE_MIN:
        return None
    images = _images([moving for _, moving in pairs])
    if images is None:
        return None
    sums = room("sums", dst.shape[::-1], _FLOAT)
    calls: list[Call] = [_copy(sums, dst.T)] if accumulate else []
    for image in images:
        turned = room("image", image.pixels.shape[::-1], _FLOAT)
        calls.append(_copy(turned, image.pixels.T))
        for number, start in image.starts.items():
            left, moving = pairs[number]
            window = room("moving", (*moving.shape[1:], len(moving)), _FLOAT)
            calls.append(_copy(window, _window(turned[start:], moving)))
            flat = window.reshape(len(sums), -1)
            calls.append(bind_gemm(sums.T, left, flat.T, accumulate))
            accumulate = True
    return [*calls, _copy(dst, sums.T)]


def _copy(to: Array, of: Array) -> Call:
    return bind_turned(to, of) or (lambda: np.copyto(to, of))


def _window(turned: Array, window: Array) -> Array:
    """The same window, of an image whose rows are pixels."""
    strides = (step // _FLOAT.itemsize * turned.strides[0] for step in window.strides[1:])
    shape = (*window.shape[1:], len(window))
    return as_strided(turned, shape, (*strides, _FLOAT.itemsize), writeable=False)


def _images(windows: Sequence[Array]) -> list[_Image] | None:
    """The images that windows are taken from; None where there are none, or large ones.

    They depend on where windows lie in an image alone, not on where images do: so does the order
    in which products are added up.
    """
    alike = {(window.shape, window.strides, window.dtype) for window in windows}
    shape, strides, dtype = alike.pop()
    size = _FLOAT.itemsize
    if alike or len(shape) < 3 or dtype != _FLOAT or any(s % size or s < size for s in strides):
        return None
    order = sorted(range(len(windows)), key=lambda number: windows[number].ctypes.data)
    groups = [order[:1]]
    for number in order[1:]:
        if windows[number].ctypes.data - windows[groups[-1][0]].ctypes.data < strides[0]:
            groups[-1].append(number)
        else:
            groups.append([number])
    images = [_image(windows, group) for group in sorted(groups, key=min)]
    return images if all(_is_worth(image, windows) for image in images) else None


def _image(windows: Sequence[Array], group: Sequence[int]) -> _Image:
    """The run of several windows, of which the first starts first."""
    first = windows[group[0]]
    size = first.itemsize
    starts = {n: (windows[n].ctypes.data - first.ctypes.data) // size for n in sorted(group)}
    steps = zip(first.shape[1:], first.strides[1:], strict=True)
    run = 1 + max(starts.values()) + sum((count - 1) * step for count, step in steps) // size
    pixels = as_strided(first, (len(first), run), (first.strides[0], size), writeable=False)
    return _Image(pixels, starts)


def _is_worth(image: _Image, windows: Sequence[Array]) -> bool:
    """Whether rows do not reach into one another, and are not much longer than their windows."""
    run, pitch = image.pixels.shape[1], image.pixels.strides[0] // image.pixels.itemsize
    return run <= pitch and run <= AREA_MAX * sum(windows[n][0].size for n in image.starts)
