"""Discrete Fourier transforms over the last axes, of lengths `fft_length`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuronc.numerics.casting import Array
from neuronc.runtime.library.registry import Params, ResultType, library


@library("fft")
def fft(params: Params, operands: Sequence[Array], results: Sequence[ResultType]) -> list[Array]:
    """`fft_type`: FFT, IFFT, RFFT (real to half spectrum), IRFFT (back); computed in float64."""
    lengths = [int(n) for n in params["fft_length"]]
    axes = list(range(-len(lengths), 0))
    wide = np.complex128 if operands[0].dtype.kind == "c" else np.float64
    transforms = {
        "FFT": np.fft.fftn,
        "IFFT": np.fft.ifftn,
        "RFFT": np.fft.rfftn,
        "IRFFT": np.fft.irfftn,
    }
    if 0 in results[0].shape:
        return [np.zeros(results[0].shape, results[0].dtype)]
    spectrum = transforms[str(params["fft_type"])](operands[0].astype(wide), s=lengths, axes=axes)
    return [np.asarray(spectrum).astype(results[0].dtype)]
