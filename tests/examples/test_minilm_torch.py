"""MiniLM's real weights by way of Hugging Face's model: the embeddings of the JAX route."""

from __future__ import annotations

from functools import partial

import jax
import minilm
import numpy as np
import torch_zoo
from export import arrays, lower

import neuronc
import neuronc.torch
from neuronc.torch.elements import to_numpy

TOLERANCE = 1e-6
"""Of elements of unit vectors; float32 rounding moves them by about 1e-7 (see the JAX tests)."""


def test_both_routes_give_the_same_embeddings() -> None:
    fn, (weights, *inputs) = minilm.model(minilm.SENTENCES, 12)
    expected = np.asarray(jax.jit(fn)(weights, *inputs))
    lowered = lower(partial(fn, jax.device_put(weights)), inputs)
    (ours,) = neuronc.load(neuronc.compile(lowered))(*arrays(inputs))

    model, _, kwargs = torch_zoo.minilm(minilm.SENTENCES)
    compiled = neuronc.torch.compile_model(model.eval(), (), kwargs)
    (found,) = neuronc.load(compiled)(*(to_numpy(t) for t in kwargs.values()))

    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(found, ours, rtol=0, atol=TOLERANCE)
