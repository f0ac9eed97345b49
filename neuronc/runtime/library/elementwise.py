"""Elementwise operations: numerics applied to whole arrays, and conversions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuronc.numerics import FUNCTIONS, Function, cast
from neuronc.numerics.casting import Array, bits, kind, widen
from neuronc.numerics.floats import reduce_precision as round_bits
from neuronc.runtime.library.registry import Entry, Params, ResultType, library

ELEMENTWISE = frozenset((*FUNCTIONS, "compare", "convert", "reduce_precision"))
"""Entries that work lane by lane on operands of any common shape."""


def _entry(function: Function) -> Entry:
    """Return the library entry of one row of numerics."""

    def evaluate(
        params: Params, operands: Sequence[Array], results: Sequence[ResultType]
    ) -> list[Array]:
        return [function.evaluate(*operands)]

    return evaluate


for _function in FUNCTIONS.values():
    library(_function.name)(_entry(_function))


@library("compare")
def compare(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """Compare by `comparison_direction`, floats by total order if `compare_type` says so."""
    name = str(params["comparison_direction"]).lower()
    total = params.get("compare_type") == "TOTALORDER"
    return [FUNCTIONS[name + "_total" if total else name].evaluate(*operands)]


@library("convert")
def convert(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """Convert to the element type of the result."""
    return [cast(operands[0], results[0].dtype)]


@library("reduce_precision")
def reduce_precision(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """Round to `exponent_bits` and `mantissa_bits`, staying in the operand's type."""
    exponent, mantissa = int(params["exponent_bits"]), int(params["mantissa_bits"])
    rounded = round_bits(widen(operands[0]), exponent, mantissa)
    return [rounded.astype(operands[0].dtype)]


@library("bitcast_convert")
def bitcast_convert(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """The same bits as another type; the last axis splits or joins when widths differ."""
    source, target = operands[0], results[0]
    if _width(source.dtype) == _width(target.dtype):
        return [_from_bits(_to_bits(source), target.dtype)]
    narrow, wide = sorted((_width(source.dtype), _width(target.dtype)))
    if narrow >= 8:
        flat = np.ascontiguousarray(source).reshape(-1)
        return [flat.view(target.dtype).reshape(target.shape)]
    shifts = np.arange(0, wide, narrow, dtype=np.uint64)
    words = _to_bits(source).astype(np.uint64)
    if _width(source.dtype) == wide:
        parts = np.right_shift(words[..., None], shifts) & np.uint64((1 << narrow) - 1)
        return [_from_bits(parts, target.dtype)]
    joined = np.bitwise_or.reduce(np.left_shift(words, shifts), axis=-1)
    return [_from_bits(joined, target.dtype)]


def _width(dtype: np.dtype[np.generic]) -> int:
    """Bits of an element as StableHLO counts them: one for a boolean, though it fills a byte."""
    return 1 if dtype == np.bool_ else bits(dtype)


def _to_bits(x: Array) -> Array:
    """The bit pattern as an unsigned integer, without the padding of sub-byte types."""
    if x.dtype.kind == "c":
        return x
    word = np.array(x).view(f"u{x.dtype.itemsize}")
    return np.bitwise_and(word, word.dtype.type((1 << _width(x.dtype)) - 1))


def _from_bits(word: Array, dtype: np.dtype[np.generic]) -> Array:
    """Inverse of `_to_bits`."""
    if dtype.kind == "c":
        return word.astype(dtype)
    if kind(dtype) in "iu" and bits(dtype) < 8:
        return word.astype(np.uint8).astype(np.int8).astype(dtype)
    return word.astype(f"u{dtype.itemsize}").view(dtype)
