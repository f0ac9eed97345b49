"""GELU in place, on all of the line, against the law in float64."""

from __future__ import annotations

import numpy as np
import pytest

from neuronc.numerics import FUNCTIONS

UNIT = 2.0**-24
GELU = FUNCTIONS["gelu"]


def in_place(x: np.ndarray) -> np.ndarray:
    out = x.copy()
    with np.errstate(all="ignore"):
        GELU.in_place(out.dtype)(out, out=out)
    return out.astype(np.float64)


def test_gelu_is_within_its_rounding() -> None:
    x = np.linspace(-3, 3, 200001).astype(np.float32)
    a = np.abs(x.astype(np.float64))
    exact = GELU.evaluate(x.astype(np.float64))
    tail = np.maximum(x, 0) - exact
    # Horner's rule rounds twice a step and each step's share of the sum passes on: 1 + a^2 units
    # up to a = 3. The eighth power takes that; its squares add 4 + 2 + 1 units, the division one.
    relative = 1.2e-7 * (1 + 0.3 * a * a) + UNIT * (8 * (1 + a * a) + 8)
    assert (np.abs(in_place(x) - exact) <= tail * relative + UNIT * np.abs(exact)).all()


def test_gelu_of_negative_numbers_keeps_its_digits() -> None:
    """JAX's own in float32 is off by 30 units in the last place at -6; the law is not."""
    x = np.linspace(-6, -3, 100001).astype(np.float32)
    np.testing.assert_allclose(in_place(x), GELU.evaluate(x.astype(np.float64)), rtol=128 * UNIT)
    far = np.array([-6.0, -6.5, -7, -8, -10, -15, -40, -1e30], np.float32)
    assert (np.abs(in_place(far) - GELU.evaluate(far.astype(np.float64))) < 1e-13).all()


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 0.0, -0.0, 40.0, 2.0**127])
def test_gelu_at_the_ends(value: float) -> None:
    x = np.full((3,), value, np.float32)
    wanted = np.full((3,), np.nan if value == -np.inf else max(value, 0.0))
    np.testing.assert_array_equal(in_place(x), wanted)
