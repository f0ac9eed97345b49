"""GPT-2: prefill, one decode step with a static cache, and a whole greedy generation.

    python examples/gpt2.py -o /tmp/prefill                             124M, 512 tokens, f32
    python examples/gpt2.py -o /tmp/constants --constants               weights in the module
    python examples/gpt2.py -o /tmp/bf16 --dtype bfloat16
    python examples/gpt2.py -o /tmp/decode --program decode             one token, donated cache
    python examples/gpt2.py -o /tmp/generate --program generate --sequence 64
    python examples/gpt2.py -o /tmp/xl --size XL --shapes-only          no 6 GB of random weights
    python examples/gpt2.py -o /tmp/tiny --size tiny --sequence 16

Axes: B batch, S sequence, W width, H heads, D width / H, C cache length, V vocabulary. Weights are
a flat dict with the names of Hugging Face's checkpoints; their type is the type of the activations,
while the statistics of softmax and layer norm, and the logits, are at least float32.
"""

# pyright: reportUnknownMemberType=false
# Parts of jax are not annotated.

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from export import Example, command_line, export
from jax import lax
from jax.typing import DTypeLike

Weights = dict[str, jax.Array]
Cache = list[tuple[jax.Array, jax.Array]]
"""Keys and values [B, H, C, D] of every layer."""
Leaf = np.ndarray | jax.ShapeDtypeStruct


@dataclass(frozen=True)
class Config:
    """A member of the family; the defaults are GPT-2 124M."""

    layers: int = 12
    width: int = 768
    heads: int = 12
    vocab: int = 50257
    context: int = 1024


CONFIGS = {
    "tiny": Config(layers=2, width=64, heads=4, vocab=256, context=32),
    "124M": Config(),
    "XL": Config(layers=48, width=1600, heads=25),
}
GENERATED = 16
"""Tokens of one run of the generation program."""


def statistics(dtype: DTypeLike) -> DTypeLike:
    """The type for means, variances and softmax."""
    return jnp.promote_types(dtype, jnp.float32)


def layer_norm(weights: Weights, name: str, x: jax.Array) -> jax.Array:
    """Normalise x [..., W] to mean 0 and variance 1, then scale and shift it."""
    y = x.astype(statistics(x.dtype))
    mean = jnp.mean(y, axis=-1, keepdims=True)
    variance = jnp.var(y, axis=-1, keepdims=True)
    y = (y - mean) * lax.rsqrt(variance + 1e-5)
    return y.astype(x.dtype) * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(weights: Weights, name: str, x: jax.Array) -> jax.Array:
    """Multiply x [..., in] by weight [in, out], and add the bias."""
    return x @ weights[f"{name}.weight"] + weights[f"{name}.bias"]


def split_heads(config: Config, x: jax.Array) -> jax.Array:
    """[B, S, W] to [B, H, S, D]."""
    batch, length, _ = x.shape
    return x.reshape(batch, length, config.heads, -1).transpose(0, 2, 1, 3)


def attend(q: jax.Array, k: jax.Array, v: jax.Array, positions: jax.Array) -> jax.Array:
    """Causal attention of q [B, H, S, D] at `positions` [S] to k and v [B, H, C, D]."""
    scores = jnp.einsum("bhqd,bhkd->bhqk", q, k, preferred_element_type=statistics(q.dtype))
    scores = scores / q.shape[-1] ** 0.5
    visible = jnp.arange(k.shape[2]) <= positions[:, None]
    weights = jax.nn.softmax(jnp.where(visible, scores, -jnp.inf), axis=-1)
    return jnp.einsum("bhqk,bhkd->bhqd", weights.astype(v.dtype), v)


def attention(
    config: Config,
    weights: Weights,
    name: str,
    x: jax.Array,
    positions: jax.Array,
    cached: tuple[jax.Array, jax.Array] | None,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Self-attention of x [B, S, W] over itself and the cache; also the keys and values seen."""
    parts = jnp.split(linear(weights, f"{name}.c_attn", x), 3, axis=-1)
    q, k, v = (split_heads(config, part) for part in parts)
    if cached is not None:
        k = lax.dynamic_update_slice_in_dim(cached[0], k, positions[0], axis=2)
        v = lax.dynamic_update_slice_in_dim(cached[1], v, positions[0], axis=2)
    y = attend(q, k, v, positions).transpose(0, 2, 1, 3).reshape(x.shape)
    return linear(weights, f"{name}.c_proj", y), (k, v)


def transformer(
    config: Config, weights: Weights, x: jax.Array, positions: jax.Array, cache: Cache | None
) -> tuple[jax.Array, Cache]:
    """All blocks over x [B, S, W]; every key and value seen so far."""
    seen: Cache = []
    for n in range(config.layers):
        name = f"h.{n}"
        cached = cache[n] if cache is not None else None
        y = layer_norm(weights, f"{name}.ln_1", x)
        y, pair = attention(config, weights, f"{name}.attn", y, positions, cached)
        x = x + y
        y = linear(weights, f"{name}.mlp.c_fc", layer_norm(weights, f"{name}.ln_2", x))
        x = x + linear(weights, f"{name}.mlp.c_proj", jax.nn.gelu(y, approximate=True))
        seen.append(pair)
    return layer_norm(weights, "ln_f", x), seen


def unembed(weights: Weights, x: jax.Array) -> jax.Array:
    """Logits [..., V] of x [..., W], by the tied embedding."""
    wte = weights["wte.weight"]
    return jnp.matmul(x, wte.T, preferred_element_type=statistics(x.dtype))


def prefill(config: Config, weights: Weights, tokens: jax.Array) -> jax.Array:
    """Logits [B, S, V] after each of tokens [B, S]."""
    length = tokens.shape[1]
    x = weights["wte.weight"][tokens] + weights["wpe.weight"][:length]
    x, _ = transformer(config, weights, x, jnp.arange(length), None)
    return unembed(weights, x)


def prefill_cache(
    config: Config, weights: Weights, cache: Cache, tokens: jax.Array
) -> tuple[jax.Array, Cache]:
    """Logits [B, V] after the last of tokens [B, S], and the cache filled up to there."""
    length = tokens.shape[1]
    x = weights["wte.weight"][tokens] + weights["wpe.weight"][:length]
    x, cache = transformer(config, weights, x, jnp.arange(length), cache)
    return unembed(weights, x[:, -1]), cache


def decode(
    config: Config, weights: Weights, cache: Cache, token: jax.Array, position: jax.Array
) -> tuple[jax.Array, Cache]:
    """Logits [B, V] after `token` [B] at `position` (a scalar), and the cache with it added."""
    x = weights["wte.weight"][token] + weights["wpe.weight"][position]
    x, cache = transformer(config, weights, x[:, None], position[None], cache)
    return unembed(weights, x[:, 0]), cache


def generate(config: Config, weights: Weights, prompt: jax.Array) -> jax.Array:
    """The most likely continuation of prompt [B, S], token by token: [B, GENERATED]."""
    batch, length = prompt.shape
    shape = (batch, config.heads, config.context, config.width // config.heads)
    empty = jnp.zeros(shape, weights["wte.weight"].dtype)
    logits, cache = prefill_cache(config, weights, [(empty, empty)] * config.layers, prompt)
    tokens = jnp.zeros((batch, GENERATED), jnp.int32)
    tokens = tokens.at[:, 0].set(jnp.argmax(logits, axis=-1).astype(jnp.int32))

    def step(n: jax.Array, state: tuple[jax.Array, Cache]) -> tuple[jax.Array, Cache]:
        tokens, cache = state
        logits, cache = decode(config, weights, cache, tokens[:, n - 1], length + n - 1)
        return tokens.at[:, n].set(jnp.argmax(logits, axis=-1).astype(jnp.int32)), cache

    state = (tokens, cache)
    return cast("tuple[jax.Array, Cache]", lax.fori_loop(1, GENERATED, step, state))[0]


def weight_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Shape of every weight by its name; a matrix maps its rows to its columns."""
    width = config.width
    shapes = {"wte.weight": (config.vocab, width), "wpe.weight": (config.context, width)}
    matrices = {
        "attn.c_attn": (width, 3 * width),
        "attn.c_proj": (width, width),
        "mlp.c_fc": (width, 4 * width),
        "mlp.c_proj": (4 * width, width),
    }
    layers = [f"h.{n}" for n in range(config.layers)]
    norms = [f"{layer}.{norm}" for layer in layers for norm in ("ln_1", "ln_2")]
    vectors = {
        f"{norm}.{part}": (width,) for norm in (*norms, "ln_f") for part in ("weight", "bias")
    }
    for layer in layers:
        for name, shape in matrices.items():
            shapes[f"{layer}.{name}.weight"] = shape
            vectors[f"{layer}.{name}.bias"] = shape[1:]
    return {**shapes, **vectors}


class Source:
    """Makes arrays: random ones from a seed, or shapes alone without one."""

    def __init__(self, seed: int | None, dtype: DTypeLike) -> None:
        self.random = None if seed is None else np.random.default_rng(seed)
        self.dtype = np.dtype(dtype)

    def normal(self, shape: tuple[int, ...], scale: float, mean: float = 0.0) -> Leaf:
        """Normally distributed floats."""
        if self.random is None:
            return jax.ShapeDtypeStruct(shape, self.dtype)
        array = self.random.standard_normal(shape, np.float32)
        array *= np.float32(scale)
        array += np.float32(mean)
        return array.astype(self.dtype, copy=False)

    def tokens(self, vocab: int, shape: tuple[int, ...]) -> Leaf:
        """Uniformly distributed tokens."""
        if self.random is None:
            return jax.ShapeDtypeStruct(shape, jnp.int32)
        return self.random.integers(0, vocab, shape, np.int32)


def make_weights(config: Config, source: Source) -> dict[str, Leaf]:
    """Random weights under which every layer matters and attention is not uniform.

    GPT-2's own initial scale of 0.02 would leave the embedding in charge: as its transpose makes
    the logits, the likeliest next token would always be the last one again.
    """

    def weight(name: str, shape: tuple[int, ...]) -> Leaf:
        if ".attn." in name or ".mlp." in name:
            return source.normal(shape, shape[0] ** -0.5 if len(shape) == 2 else 0.02)
        is_scale = len(shape) == 1 and name.endswith("weight")
        return source.normal(shape, 0.02, mean=1.0 if is_scale else 0.0)

    return {name: weight(name, shape) for name, shape in weight_shapes(config).items()}


def make_cache(config: Config, source: Source) -> list[tuple[Leaf, Leaf]]:
    """A cache [1, H, context, D] of random keys and values."""
    shape = (1, config.heads, config.context, config.width // config.heads)
    return [(source.normal(shape, 1.0), source.normal(shape, 1.0)) for _ in range(config.layers)]


def model(
    config: Config,
    program: str = "prefill",
    sequence: int = 512,
    dtype: DTypeLike = jnp.float32,
    seed: int | None = 0,
) -> Example:
    """The function and its arguments, which are weights, and then those of the program.

    * prefill: tokens [1, sequence]
    * decode: cache (to be donated: `DONATE`), token [1], position `sequence` - 1
    * generate: prompt [1, sequence]
    """
    source = Source(seed, dtype)
    weights = make_weights(config, source)
    if program == "decode":
        position = np.asarray(sequence - 1, np.int32)
        token = source.tokens(config.vocab, (1,))
        return partial(decode, config), (weights, make_cache(config, source), token, position)
    function = {"prefill": prefill, "generate": generate}[program]
    return partial(function, config), (weights, source.tokens(config.vocab, (1, sequence)))


DONATE = {"prefill": (), "decode": (1,), "generate": ()}
"""Positions of the donated arguments of each program."""


def with_constants(example: Example) -> Example:
    """The same function with its first argument, the weights, built in."""
    fn, (weights, *args) = example
    return partial(fn, jax.device_put(weights)), tuple(args)


def main() -> None:
    """Export one of the programs."""
    parser = command_line(__doc__)
    parser.add_argument("--program", choices=list(DONATE), default="prefill")
    parser.add_argument("--size", choices=list(CONFIGS), default="124M")
    parser.add_argument("--sequence", type=int, default=512, help="tokens, or position + 1")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--constants", action="store_true", help="put the weights into the module")
    parser.add_argument("--shapes-only", action="store_true", help="do not make weights or inputs")
    options = parser.parse_args()
    if options.constants and options.shapes_only:
        parser.error("--constants needs values, so it does not go with --shapes-only")
    seed = None if options.shapes_only else options.seed
    config = CONFIGS[options.size]
    example = model(config, options.program, options.sequence, jnp.dtype(options.dtype), seed)
    donate = DONATE[options.program]
    if options.constants:
        example = with_constants(example)
        donate = tuple(position - 1 for position in donate)
    export(*example, options.output, donate)


if __name__ == "__main__":
    main()
