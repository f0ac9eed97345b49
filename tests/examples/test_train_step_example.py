"""The training step against the definition of the derivative."""

from functools import partial

import jax
import numpy as np
import train_step
from gpt2 import Config

CONFIG = Config(layers=1, width=16, heads=2, vocab=31, context=8)


def test_steps_reduce_the_loss_from_that_of_chance():
    fn, (weights, tokens, targets) = train_step.model(CONFIG, batch=2, rate=0.5)
    step = jax.jit(fn)
    losses = []
    for _ in range(10):
        value, weights = step(weights, tokens, targets)
        losses.append(float(value))
    assert abs(losses[0] - np.log(CONFIG.vocab)) < 0.1
    assert losses[-1] < losses[0] - 0.5


def test_the_step_follows_the_gradient():
    # The weights are about 0.02, so a step of 1e-6 is 5e-5 of them and the central difference good
    # to the square of that, a few 1e-9, times a modest factor; rounding (1e-16 / 1e-6) is less.
    with jax.enable_x64(True):
        _, args = train_step.model(CONFIG, batch=2)
        weights, tokens, targets = jax.tree.map(np.asarray, args)
        weights = {name: array.astype(np.float64) for name, array in weights.items()}
        loss = jax.jit(partial(train_step.loss, CONFIG))
        _, stepped = jax.jit(partial(train_step.train_step, CONFIG, 1.0))(weights, tokens, targets)
        gradient = {name: weights[name] - np.asarray(stepped[name]) for name in weights}
        random = np.random.default_rng(0)
        direction = {name: random.standard_normal(array.shape) for name, array in weights.items()}

        def moved(distance: float) -> float:
            shifted = {name: weights[name] + distance * direction[name] for name in weights}
            return float(loss(shifted, tokens, targets))

        slope = sum(np.sum(gradient[name] * direction[name]) for name in weights)
        np.testing.assert_allclose((moved(1e-6) - moved(-1e-6)) / 2e-6, slope, rtol=1e-6)
