"""GPT-2 against NumPy in float64, and its three programs against each other."""

import math

import gpt2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

CONFIG = gpt2.Config(layers=2, width=32, heads=4, vocab=97, context=24)
LENGTH = 6

# Float32 against float64: two layers of sums over at most 128 terms.
TOLERANCE = 1e-5
# bfloat16 rounds to 2**-9; some twenty rounded values in a row feed every logit.
TOLERANCE_BF16 = 20 * 2.0**-9


def relative(actual: object, expected: object) -> float:
    """Largest difference, relative to the largest expected value."""
    reference = np.asarray(expected, np.float64)
    return float(np.abs(np.asarray(actual, np.float64) - reference).max() / np.abs(reference).max())


def example(program: str, dtype: object = jnp.float32) -> tuple:
    return gpt2.model(CONFIG, program, LENGTH, dtype)


def softmax(x: np.ndarray) -> np.ndarray:
    odds = np.exp(x - x.max(-1, keepdims=True))
    return odds / odds.sum(-1, keepdims=True)


def reference(weights: dict[str, np.ndarray], tokens: np.ndarray) -> np.ndarray:
    """Logits [S, V] of tokens [S], one position and one head at a time."""
    w = {name: np.asarray(array, np.float64) for name, array in weights.items()}

    def norm(name: str, x: np.ndarray) -> np.ndarray:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(name: str, x: np.ndarray) -> np.ndarray:
        return x @ w[f"{name}.weight"] + w[f"{name}.bias"]

    def attention(name: str, x: np.ndarray) -> np.ndarray:
        q, k, v = np.split(linear(f"{name}.c_attn", x), 3, -1)
        out = np.zeros_like(x)
        for head in np.split(np.arange(CONFIG.width), CONFIG.heads):
            for s in range(len(x)):
                weights = softmax(k[: s + 1, head] @ q[s, head] / math.sqrt(len(head)))
                out[s, head] = weights @ v[: s + 1, head]
        return linear(f"{name}.c_proj", out)

    def gelu(x: np.ndarray) -> np.ndarray:
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))

    x = w["wte.weight"][tokens] + w["wpe.weight"][: len(tokens)]
    for n in range(CONFIG.layers):
        x = x + attention(f"h.{n}.attn", norm(f"h.{n}.ln_1", x))
        hidden = gelu(linear(f"h.{n}.mlp.c_fc", norm(f"h.{n}.ln_2", x)))
        x = x + linear(f"h.{n}.mlp.c_proj", hidden)
    return norm("ln_f", x) @ w["wte.weight"].T


def test_prefill_equals_numpy():
    fn, (weights, tokens) = example("prefill")
    assert relative(jax.jit(fn)(weights, tokens)[0], reference(weights, tokens[0])) <= TOLERANCE


def test_bfloat16_prefill_is_near_numpy():
    fn, (weights, tokens) = example("prefill", jnp.bfloat16)
    assert all(array.dtype == jnp.bfloat16 for array in weights.values())
    logits = jax.jit(fn)(weights, tokens)[0]
    assert logits.dtype == jnp.float32
    assert relative(logits, reference(weights, tokens[0])) <= TOLERANCE_BF16


def test_weights_as_constants_give_the_same_logits():
    example_ = example("prefill")
    fn, args = example_
    with_constants, rest = gpt2.with_constants(example_)
    assert len(rest) == 1
    assert relative(jax.jit(with_constants)(*rest), jax.jit(fn)(*args)) <= TOLERANCE


def greedy(weights: dict, prompt: np.ndarray) -> tuple[list[int], np.ndarray]:
    """The greedy continuation by one decode step after the other, and every step's logits."""
    shape = (1, CONFIG.heads, CONFIG.context, CONFIG.width // CONFIG.heads)
    cache = [(jnp.zeros(shape), jnp.zeros(shape))] * CONFIG.layers
    decode = jax.jit(lambda *args: gpt2.decode(CONFIG, *args))
    tokens, steps = list(prompt[0]), []
    for position in range(LENGTH + gpt2.GENERATED - 1):
        token = np.array([tokens[position]], np.int32)
        logits, cache = decode(weights, cache, token, np.int32(position))
        steps.append(np.asarray(logits[0]))
        if position + 1 >= LENGTH:
            tokens.append(int(np.argmax(logits)))
    return tokens[LENGTH:], np.stack(steps)


def test_decode_equals_prefill_and_generate_equals_decode():
    fn, (weights, prompt) = example("generate")
    expected, steps = greedy(weights, prompt)
    generated = np.asarray(jax.jit(fn)(weights, prompt))
    assert generated.tolist() == [expected]
    assert len(set(expected)) > 1

    text = np.concatenate([prompt, generated[:, :-1]], axis=1)
    logits = jax.jit(lambda *args: gpt2.prefill(CONFIG, *args))(weights, text)
    assert relative(steps, logits[0]) <= TOLERANCE


def test_decode_example_changes_one_position_of_the_cache():
    fn, args = example("decode", jnp.bfloat16)
    logits, cache = jax.jit(fn)(*args)
    assert logits.shape == (1, CONFIG.vocab)
    for before, after in zip(jax.tree.leaves(args[1]), jax.tree.leaves(cache), strict=True):
        changed = np.any(np.asarray(before) != np.asarray(after), axis=(0, 1, 3))
        assert np.flatnonzero(changed).tolist() == [LENGTH - 1]


@pytest.mark.parametrize(("size", "count"), [("124M", 124_439_808), ("XL", 1_557_611_200)])
def test_sizes_are_those_of_gpt2(size: str, count: int):
    shapes = gpt2.weight_shapes(gpt2.CONFIGS[size])
    assert sum(math.prod(shape) for shape in shapes.values()) == count


def test_a_model_of_shapes_has_the_shapes_of_the_real_one():
    _, real = gpt2.model(CONFIG, "decode", LENGTH)
    _, shapes = gpt2.model(CONFIG, "decode", LENGTH, seed=None)
    described = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), (real, shapes))
    assert described[0] == described[1]
