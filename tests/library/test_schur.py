"""Schur forms of matrices that are hard for a QR iteration, rebuilt in float64."""

from __future__ import annotations

import numpy as np
import pytest

from neuronc.runtime.library.schur import gees

RNG = np.random.default_rng(3)
SIZE = 20
MATRICES = {
    "random": RNG.normal(size=(SIZE, SIZE)),
    "large": RNG.normal(size=(60, 60)),
    "diagonal": np.diag(np.arange(SIZE)).astype(float),
    "zero": np.zeros((SIZE, SIZE)),
    "of rank one": np.ones((SIZE, SIZE)),
    "a cycle": np.roll(np.eye(SIZE), 1, 0),
    "a jordan block": np.eye(SIZE) + np.eye(SIZE, k=1),
    "one element": np.ones((1, 1)),
}


@pytest.mark.parametrize("kind", [np.float64, np.complex128])
@pytest.mark.parametrize("name", MATRICES)
def test_schur_form(name: str, kind: type) -> None:
    a = MATRICES[name].astype(kind)
    form, z, *_, info = gees({}, [a], [])
    assert info == 0
    # A backward stable iteration: a few n eps of the norm.
    bound = 20 * len(a) * 2.3e-16 * max(1.0, float(np.linalg.norm(a)))
    assert np.abs(z @ form @ np.conj(z).T - a).max() < bound
    assert np.abs(z @ np.conj(z).T - np.eye(len(a))).max() < bound
    assert not np.tril(form, -1 if kind is np.complex128 else -2).any()
    blocks = np.diagonal(form, -1) != 0
    assert not (blocks[1:] & blocks[:-1]).any()


def test_nan_does_not_converge() -> None:
    form, *_, info = gees({}, [np.full((2, 3, 3), [[[np.nan]], [[1.0]]])], [])
    assert info.tolist() == [1, 0]
    assert np.isnan(form[0]).all()
    assert np.isfinite(form[1]).all()
