"""The registry of models that benchmarks compile."""

import jax
import models
import numpy as np
import pytest


def test_every_full_model_has_a_small_variant():
    assert [f"{name}-small" for name in models.FULL] == list(models.SMALL)


@pytest.mark.parametrize("name", models.SMALL)
def test_small_models_have_one_array_per_parameter(name: str):
    model = models.SMALL[name]()
    shapes = [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(model.lower().in_avals)]
    assert [(array.shape, array.dtype) for array in model.arrays()] == shapes


def test_the_largest_model_has_no_weights():
    leaves = jax.tree.leaves(models.SHAPES["gpt2-xl"]().args)
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves)


def test_the_error_is_that_of_the_worst_output_and_shows_nan():
    good = np.array([1.0, 2.0]), np.array([10, 100])
    assert models.relative_error(good, good) == 0
    assert models.relative_error((np.array([1.0, 2.5]), np.array([10, 99])), good) == 0.25
    assert np.isnan(models.relative_error((np.array([1.0, np.nan]), good[1]), good))
    assert np.isinf(models.relative_error([np.array([1.0])], [np.array([0.0])]))
