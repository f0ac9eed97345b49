"""One step of training a small GPT-2: loss, gradient by jax.grad, and gradient descent.

    python examples/train_step.py -o /tmp/train
    python examples/train_step.py -o /tmp/train --layers 1 --width 32 --sequence 16 --batch 2

The weights are arguments and results, and donated, so that step follows step in place.
"""

# pyright: reportUnknownMemberType=false
# Parts of jax are not annotated.

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from export import Example, command_line, export
from gpt2 import Config, Source, Weights, make_weights, prefill

DEFAULT = Config(layers=2, width=128, heads=4, vocab=512, context=64)
DONATE = (0,)


def loss(config: Config, weights: Weights, tokens: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean cross-entropy of targets [B, S], each the token that follows in tokens [B, S]."""
    log_probabilities = jax.nn.log_softmax(prefill(config, weights, tokens))
    return -jnp.mean(jnp.take_along_axis(log_probabilities, targets[..., None], axis=-1))


def train_step(
    config: Config, rate: float, weights: Weights, tokens: jax.Array, targets: jax.Array
) -> tuple[jax.Array, Weights]:
    """The loss before, and the weights after, one step down the gradient."""
    value, gradients = jax.value_and_grad(partial(loss, config))(weights, tokens, targets)
    return value, {name: weights[name] - rate * gradients[name] for name in weights}


def model(config: Config = DEFAULT, batch: int = 4, rate: float = 0.1, seed: int = 0) -> Example:
    """The function and random arguments: weights (to be donated), tokens, targets."""
    weights = make_weights(config, Source(seed, jnp.float32))
    text = np.random.default_rng(seed + 1).integers(
        0, config.vocab, (batch, config.context + 1), np.int32
    )
    return partial(train_step, config, rate), (weights, text[:, :-1], text[:, 1:])


def main() -> None:
    """Export the step."""
    parser = command_line(__doc__)
    parser.add_argument("--layers", type=int, default=DEFAULT.layers)
    parser.add_argument("--width", type=int, default=DEFAULT.width)
    parser.add_argument("--heads", type=int, default=DEFAULT.heads)
    parser.add_argument("--vocab", type=int, default=DEFAULT.vocab)
    parser.add_argument("--sequence", type=int, default=DEFAULT.context)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rate", type=float, default=0.1, help="learning rate")
    options = parser.parse_args()
    config = Config(options.layers, options.width, options.heads, options.vocab, options.sequence)
    example = model(config, options.batch, options.rate, options.seed)
    export(*example, options.output, DONATE)


if __name__ == "__main__":
    main()
