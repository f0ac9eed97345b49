"""Distances between arrays are what they say, for every element type."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from neuronc.dtypes import ELEMENT_TYPES
from neuronc.golden_compare import CHUNK, Tolerance, compare, default_tolerance

EXACT = Tolerance(0, 0.0)


@pytest.mark.parametrize("row", ELEMENT_TYPES, ids=lambda row: row.name)
def test_equal_arrays_are_apart_by_nothing(row):
    array = np.arange(6).astype(np.uint8).astype(row.numpy).reshape(2, 3)
    found = compare(array, array.copy(), EXACT)
    assert (found.ulp, found.relative, found.outside) == (0, 0, 0)


FLOATS = [row for row in ELEMENT_TYPES if row.is_float]


@pytest.mark.parametrize("row", FLOATS, ids=lambda row: row.name)
def test_one_ulp_is_the_next_value_of_the_type(row):
    one = np.ones(1, row.numpy)
    bits = one.view(f"u{row.bytes}")
    above = (bits + bits.dtype.type(1)).view(row.numpy)
    assert compare(above, one, EXACT).ulp == 1
    assert compare(one, above, EXACT).ulp == 1
    assert compare(above, one, EXACT).outside == 1
    assert compare(above, one, Tolerance(1, 0.0)).outside == 0


SIGNED = [row for row in FLOATS if row.name != "f8E8M0FNU"]


@pytest.mark.parametrize("row", SIGNED, ids=lambda row: row.name)
def test_ulps_are_counted_through_zero(row):
    smallest = np.ones(1, f"u{row.bytes}").view(row.numpy)
    assert float(smallest[0]) > 0
    assert compare(-smallest, smallest, EXACT).ulp == 2
    assert compare(smallest, np.zeros(1, row.numpy), EXACT).ulp == 1


def test_zeros_of_both_signs_are_equal():
    found = compare(np.array([-0.0]), np.array([0.0]), EXACT)
    assert (found.ulp, found.relative, found.outside) == (0, 0, 0)


def test_nan_equals_nan_and_nothing_else():
    nan, one = np.array([np.nan, 1.0]), np.array([1.0, 1.0])
    assert compare(nan, nan, EXACT).outside == 0
    for found in (compare(nan, one, Tolerance(1e30, 1e30)), compare(one, nan, Tolerance(9, 9))):
        assert found.outside == 1
        assert found.ulp == np.inf
        assert found.relative == np.inf
        assert found.worst == (0,)


def test_infinities_are_equal_by_sign():
    infinity = np.array([np.inf, 1.0], np.float32)
    assert compare(infinity, infinity, EXACT).outside == 0
    assert compare(-infinity, infinity, Tolerance(9, 9)).outside == 1
    finite = np.array([3.0, 1.0], np.float32)
    assert compare(infinity, finite, Tolerance(9, 9)).relative == np.inf
    # An infinite expectation does not make the scale of the others infinite.
    assert compare(np.array([np.inf, 2.0]), np.array([np.inf, 1.0]), EXACT).relative == 1.0


def test_the_difference_is_relative_to_the_largest_expected_element():
    expected = np.array([[1.0, -200.0], [3.0, 4.0]])
    found = expected + np.array([[0.0, 1.0], [0.0, -3.0]])
    measured = compare(found, expected, Tolerance(0, 0.01))
    assert measured.relative == 3 / 200
    assert measured.outside == 1
    assert measured.worst == (1, 1)
    assert (measured.found, measured.expected) == ("1.0", "4.0")


def test_anything_but_zero_is_far_from_zeros():
    assert compare(np.full(3, 1e-30), np.zeros(3), Tolerance(0, 1.0)).outside == 3


def test_an_element_within_either_tolerance_is_inside():
    expected = np.array([1000.0, 1e-9], np.float32)
    found = np.array([np.nextafter(np.float32(1000), np.float32(2000)), 2e-9], np.float32)
    assert compare(found, expected, Tolerance(1, 0.0)).outside == 1
    assert compare(found, expected, Tolerance(1, 1e-11)).outside == 0


@pytest.mark.parametrize(
    ("dtype", "one", "two", "apart"),
    [
        ("i8", -128, 127, 255),
        ("ui8", 0, 255, 255),
        ("i32", -(2**31), 2**31 - 1, 2**32 - 1),
        ("i64", -(2**63), 2**63 - 1, 2.0**64),
        ("i64", 2**62, 2**62 + 1, 1),
        ("ui64", 2**63, 2**63 + 3, 3),
        ("i4", -8, 7, 15),
        ("i1", 0, 1, 1),
    ],
)
def test_integers_are_apart_by_their_difference(dtype: str, one: int, two: int, apart: float):
    kind = next(row.numpy for row in ELEMENT_TYPES if row.name == dtype)
    a, b = np.array([one]).astype(kind), np.array([two]).astype(kind)
    tolerance = default_tolerance(next(row for row in ELEMENT_TYPES if row.name == dtype))
    for found in (compare(a, b, tolerance), compare(b, a, tolerance)):
        assert found.ulp == apart
        assert found.outside == 1


def test_complex_numbers_are_compared_part_by_part():
    expected = np.array([1 + 2j, 3 - 4j])
    found = compare(expected + np.array([0, 1j]), expected, EXACT)
    assert found.relative == 1 / 4
    assert found.worst == (1,)
    assert found.outside == 1


def test_scalars_and_empty_arrays_are_compared():
    assert compare(np.array(2.0), np.array(1.0), EXACT).worst == ()
    assert compare(np.zeros((0, 3)), np.zeros((0, 3)), EXACT).outside == 0


def test_large_arrays_are_measured_as_a_whole():
    expected = np.zeros((3, CHUNK), np.float32)
    expected[0, 0] = 8.0
    found = expected.copy()
    found[2, 5], found[1, 1] = 4.0, 1.0
    measured = compare(found, expected, EXACT)
    assert measured.relative == 0.5
    assert measured.worst == (2, 5)
    assert measured.outside == 2


def test_default_tolerances_are_none_for_integers_and_roundings_for_floats():
    found = {row.name: default_tolerance(row) for row in ELEMENT_TYPES}
    assert found["i32"] == found["i1"] == found["ui4"] == EXACT
    assert found["f32"].relative == found["complex<f32>"].relative == 64 * 2.0**-23
    assert found["f64"].relative == 64 * 2.0**-52
    assert found["bf16"].relative == 4 * float(ml_dtypes.finfo(ml_dtypes.bfloat16).eps)
    assert found["f8E4M3FN"].relative == 2.0**-3
