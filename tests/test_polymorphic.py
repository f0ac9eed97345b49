"""Functions of symbolic shapes, as `neuronc compile --symbol` refines them and as JAX does.

Each is exported once, for all shapes; what JAX itself makes of the export on CPU is the judge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export, lax, nn

import neuronc
from neuronc.cli import main

Function = Callable[..., object]


@dataclass(frozen=True)
class Row:
    """A function, the shapes of its arguments, and one value for each symbol."""

    function: Function
    shapes: Sequence[str]
    values: dict[str, int]
    constraints: Sequence[str] = ()
    dtype: str = "float32"


def attention(q, k, v, mask):
    scores = jnp.einsum("bshd,bthd->bhst", q, k) / 2.0
    weights = nn.softmax(jnp.where(mask[:, None, None, :] > 0, scores, -1e9))
    return jnp.einsum("bhst,bthd->bshd", weights, v)


def causal(x):
    scores = x @ x.T
    seen = jnp.arange(x.shape[0])[:, None] >= jnp.arange(x.shape[0])
    return nn.softmax(jnp.where(seen, scores, -jnp.inf)) @ x


def transformer(x, w):
    """[b, s, 8] through one head and one layer of size 8."""
    mean = x.mean(-1, keepdims=True)
    normed = (x - mean) * lax.rsqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-5)
    mixed = x + nn.dot_product_attention(*[normed[:, :, None]] * 3)[:, :, 0]
    return mixed + nn.gelu(mixed @ w) @ w.T


def rotary(x):
    """[s, 8] turned by angles that grow with the position."""
    angle = jnp.arange(x.shape[0])[:, None] / (10.0 ** jnp.arange(4))
    even, odd = x[:, :4], x[:, 4:]
    turned = [even * jnp.cos(angle) - odd * jnp.sin(angle)]
    return jnp.concatenate([*turned, even * jnp.sin(angle) + odd * jnp.cos(angle)], 1)


def scanned(x):
    return lax.scan(lambda carry, row: (carry * 0.5 + row, carry), x[0] * 0, x)


def halving(x):
    """A loop that carries an array of symbolic shape and a counter up to a symbol."""

    def body(state):
        i, y = state
        return i + 1, y / 2 + x[i]

    return lax.while_loop(lambda state: state[0] < x.shape[0], body, (0, jnp.zeros_like(x)))


def fibonacci(x):
    return lax.fori_loop(0, x.shape[0], lambda i, y: y.at[i].add(y[(i - 1) % x.shape[0]]), x)


def branches(x):
    big = lax.cond(x.sum() > 0, lambda v: v * 2, lambda v: -v, x)
    return big, lax.switch(jnp.int32(x.shape[0] % 3), [jnp.sin, jnp.cos, jnp.tanh], x)


def convolved(x):
    kernel = jnp.arange(2 * 3 * 9.0).reshape(2, 3, 3, 3) / 50 - 0.5
    return lax.conv_general_dilated(x, kernel, (2, 1), "SAME", rhs_dilation=(1, 2))


def convolved_backwards(x):
    """By the kernel; by the input, jax's own padding would have to be numbers."""
    kernel = jnp.arange(2 * 3 * 9.0).reshape(2, 3, 3, 3) / 50 - 0.5

    def loss(k):
        return (lax.conv(jnp.ones((1, 3, 5, 5)), k, (2, 1), "SAME") ** 2).sum() * x.mean()

    return jax.grad(loss)(kernel)


def upsampled(x):
    kernel = jnp.arange(3 * 4 * 9.0).reshape(3, 3, 4, 3) / 100 - 0.5
    return lax.conv_transpose(x, kernel, (2, 2), "SAME")


def pooled(x):
    highest = lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID")
    return highest, lax.reduce_window(x, 0.0, lax.add, (3, 3), (1, 2), "SAME")


def pooled_whole(x):
    return lax.reduce_window(x, 0.0, lax.add, (2, x.shape[1]), (1, 1), "SAME")


def pooled_backwards(x):
    return jax.grad(lambda v: (pooled(v)[0] ** 2).sum() + pooled(v)[1].sum())(x)


def two_in_a_window(x):
    return lax.reduce_window(
        (x, x),
        (0.0, -jnp.inf),
        lambda a, b: (a[0] + b[0], jnp.maximum(a[1], b[1])),
        (x.shape[0],),
        (1,),
        "SAME",
    )


def sorted_by_key(x):
    return lax.sort((x, jnp.broadcast_to(jnp.arange(x.shape[1]), x.shape)), num_keys=1)


def noisy(x):
    keys = jax.random.key(0), jax.random.key(0, impl="rbg")
    return [x + jax.random.normal(key, x.shape) for key in keys]


def per_example_gradients(x, w):
    return jax.vmap(jax.grad(lambda v, row: jnp.tanh(row @ v).sum()), (None, 0))(w, x)


def standardised(x):
    return (x - x.mean(0)) / jnp.sqrt(x.var(0) + 1e-3)


def cross_entropy(x):
    labels = jnp.arange(x.shape[0]) % x.shape[1]
    picked = jnp.take_along_axis(nn.log_softmax(x), labels[:, None], 1)
    return -picked.mean()


B, BN, AB, ABC = {"b": 5}, {"b": 5, "n": 4}, {"a": 2, "b": 3}, {"a": 2, "b": 3, "c": 6}
SEQUENCES = ("b, s, 2, 4", "b, t, 2, 4", "b, t, 2, 4", "b, t")

ROWS: dict[str, Row] = {
    "attention of two lengths": Row(attention, SEQUENCES, {"b": 2, "s": 5, "t": 7}),
    "attention of one token": Row(attention, SEQUENCES, {"b": 1, "s": 1, "t": 1}),
    "causal attention": Row(causal, ["s, 8"], {"s": 9}),
    "attention across tiles": Row(causal, ["s, 8"], {"s": 150}),
    "layer of a transformer": Row(transformer, ["b, s, 8", "8, 16"], {"b": 2, "s": 6}),
    "rotary positions": Row(rotary, ["s, 8"], {"s": 5}),
    "arange": Row(lambda x: jnp.arange(x.shape[0]) * 2.0 + x, ["b"], B),
    "linspace": Row(lambda x: jnp.linspace(0.0, 1.0, 5) * x.shape[0] + x[:1], ["b"], B),
    "triangle": Row(lambda x: jnp.tri(x.shape[0]) @ x, ["b, n"], BN),
    "eye": Row(lambda x: jnp.eye(x.shape[0], x.shape[1]) + x, ["b, n"], BN),
    "one hot": Row(lambda x: nn.one_hot(jnp.arange(x.shape[0]), x.shape[0]) @ x, ["b, n"], BN),
    "full of a symbol": Row(lambda x: jnp.full(x.shape, x.shape[0], x.dtype), ["b, n"], BN),
    "concatenation": Row(lambda x, y: jnp.concatenate([x, y, x]), ["a, 3", "b, 3"], AB),
    "stack": Row(lambda x: jnp.stack([x, x * 2, -x], 1), ["b, n"], BN),
    "tile and repeat": Row(lambda x: (jnp.tile(x, (2, 3)), jnp.repeat(x, 3, 1)), ["b, n"], BN),
    "repeated by a symbol": Row(lambda x: jnp.tile(x, (x.shape[0], 1)), ["b, n"], BN),
    "reshape to a product": Row(lambda x: x.reshape(-1) * 2, ["b, n"], BN),
    "reshape to a batch": Row(lambda x: x.reshape(-1, 6).sum(1), ["b, n, 6"], BN),
    "reshape of a product": Row(lambda x: x.reshape(x.shape[0], -1, 2).max(-1), ["b, 2*n"], BN),
    "product that meets a symbol": Row(
        lambda x, y: x.reshape(-1) + y, ["a, b", "c"], ABC, ["a*b == c"]
    ),
    "product in a shape": Row(lambda x, y: x.reshape(-1) + y, ["a, b", "a*b"], AB),
    "multiple of four": Row(
        lambda x: x.reshape(4, -1).sum(0), ["4*b"], {"b": 3}, ["mod(b, 3) == 0"]
    ),
    "at least": Row(lambda x: x[2:], ["b"], B, ["b >= 3"]),
    "at most": Row(lambda x: x[:, :3].sum(), ["n, b"], BN, ["b <= 8", "b >= 3"]),
    "less than another": Row(
        lambda x, y: x[: y.shape[0]] + y, ["a", "b"], {"a": 5, "b": 3}, ["a >= b"]
    ),
    "the larger": Row(
        lambda x, y: jnp.zeros(jax.core.max_dim(x.shape[0], y.shape[0])) + x.sum() + y.sum(),
        ["a", "b"],
        AB,
    ),
    "the smaller": Row(
        lambda x, y: (
            x[: jax.core.min_dim(x.shape[0], y.shape[0])]
            * y[: jax.core.min_dim(x.shape[0], y.shape[0])]
        ),
        ["a", "b"],
        AB,
    ),
    "the larger in a shape": Row(
        lambda x, y, z: z + x.sum() + y.sum(), ["a", "b", "max(a, b)"], AB
    ),
    "floor in a shape": Row(lambda x, y: y + x.sum(), ["b", "floordiv(b, 2) + 1"], B),
    "floor of a quotient": Row(lambda x: x[: x.shape[0] // 3, : x.shape[1] // 2], ["b, n"], BN),
    "remainder": Row(lambda x: jnp.zeros(x.shape[0] % 3 + 1) + x.sum(), ["b, n"], BN),
    "power": Row(lambda x, y: x.sum() + y, ["b", "b^2 + b"], {"b": 3}),
    "odd extent": Row(lambda x: x.sum(1), ["b, 2*n + 1"], BN),
    "sums": Row(lambda x: (x.sum(), x.sum(0), x.prod(1), x.mean(), x.max(0)), ["b, n"], BN),
    "standardised": Row(standardised, ["b, n"], BN),
    "cross entropy": Row(cross_entropy, ["b, n"], BN),
    "running": Row(
        lambda x: (jnp.cumsum(x, 1), lax.cummax(x, 0, reverse=True), jnp.cumprod(x, 0)),
        ["b, n"],
        BN,
    ),
    "logcumsumexp": Row(lambda x: lax.cumlogsumexp(x, 1), ["b, n"], BN),
    "largest position": Row(lambda x: (jnp.argmax(x, 1), jnp.argmin(x)), ["b, n"], BN),
    "sort": Row(lambda x: (jnp.sort(x), jnp.argsort(x, 0, descending=True)), ["b, n"], BN),
    "sort by key": Row(sorted_by_key, ["b, n"], BN),
    "median": Row(lambda x: jnp.sort(x, 0)[jnp.array(x.shape[0]) // 2], ["b, n"], BN),
    "top two": Row(lambda x: lax.top_k(x, 2), ["b, n"], BN, ["n >= 2"]),
    "top of a symbol": Row(lambda x: lax.top_k(x, x.shape[1] - 1), ["b, n"], BN, ["n >= 2"]),
    "search": Row(lambda x: jnp.searchsorted(jnp.arange(9.0), x), ["b"], B),
    "padding": Row(
        lambda x: jnp.pad(x, ((1, x.shape[1]), (0, 2)), constant_values=2.0), ["b, n"], BN
    ),
    "interior padding": Row(lambda x: lax.pad(x, 1.0, ((0, 1, 2), (-1, 0, 1))), ["b, n"], BN),
    "reflection": Row(lambda x: jnp.pad(x, ((1, 1), (0, 0)), "edge"), ["b, n"], BN),
    "slice from the end": Row(lambda x: x[x.shape[0] - 2 :, ::-1], ["b, n"], BN, ["b >= 2"]),
    "strides": Row(lambda x: (x[::2], x[1::3, ::-1]), ["b, n"], BN, ["b >= 2"]),
    "slice at a number": Row(
        lambda x: lax.dynamic_slice_in_dim(x, x[0, 0].astype(int) + 1, 2, 0),
        ["b, n"],
        BN,
        ["b >= 2"],
    ),
    "slice of a symbol": Row(
        lambda x: lax.dynamic_slice_in_dim(x, 1, x.shape[0] - 2, 0), ["b, n"], BN, ["b >= 3"]
    ),
    "update": Row(
        lambda x: lax.dynamic_update_slice(x, x[:1] * 2, (x.shape[0] - 1, 0)), ["b, n"], BN
    ),
    "update of a symbol": Row(
        lambda x, y: lax.dynamic_update_slice_in_dim(x, y, y.shape[0], 0),
        ["2*b, 3", "b, 3"],
        B,
    ),
    "gather": Row(lambda x: (x[jnp.arange(x.shape[0])[::-1]], x[:, 1]), ["b, n"], BN, ["n>=2"]),
    "take": Row(lambda x: jnp.take(x, jnp.array([0, 2, 9]), 0, mode="clip"), ["b, n"], BN),
    "scatter": Row(lambda x: x.at[jnp.arange(x.shape[0])].add(1.0), ["b, n"], BN),
    "diagonal": Row(lambda x: (jnp.diagonal(x), jnp.trace(x)), ["b, b"], B),
    "segments": Row(lambda x: jax.ops.segment_sum(x, jnp.arange(x.shape[0]) % 3, 3), ["b, n"], BN),
    "scan": Row(scanned, ["b, n"], BN),
    "loop with a carry": Row(halving, ["b, n"], BN),
    "loop that updates": Row(fibonacci, ["b"], B),
    "branches": Row(branches, ["b, n"], BN),
    "map": Row(lambda x: lax.map(lambda row: jnp.sort(row) * 2, x), ["b, n"], BN),
    "vmap": Row(lambda x, y: jax.vmap(jnp.outer)(x, y), ["b, a", "b, c"], ABC),
    "gradients of examples": Row(per_example_gradients, ["b, n", "n, 3"], BN),
    "gradient": Row(jax.grad(lambda x: (jnp.sin(x) ** 2).mean()), ["b, n"], BN),
    "value and gradient of attention": Row(
        jax.value_and_grad(lambda x: (causal(x) ** 2).sum()), ["s, 4"], {"s": 6}
    ),
    "hessian": Row(jax.hessian(lambda x: (x**3).sum() * x.shape[0]), ["b"], B),
    "forward derivative": Row(
        lambda x: jax.jvp(lambda v: nn.softmax(v @ v.T), (x,), (x * 2,)), ["b, n"], BN
    ),
    "checkpoint": Row(jax.grad(jax.checkpoint(lambda x: jnp.tanh(x @ x.T).sum())), ["b, n"], BN),
    "gradient of a scan": Row(
        jax.grad(lambda x: jax.tree.reduce(lambda a, y: a + (y**2).sum(), scanned(x), 0.0)),
        ["b, n"],
        BN,
    ),
    "convolution": Row(convolved, ["b, 3, h, w"], {"b": 2, "h": 7, "w": 6}),
    "gradient of a convolution": Row(convolved_backwards, ["b, 3, h, w"], {"b": 2, "h": 7, "w": 6}),
    "transposed convolution": Row(upsampled, ["b, h, w, 4"], {"b": 2, "h": 4, "w": 3}),
    "pooling": Row(pooled, ["h, w"], {"h": 7, "w": 6}, ["h >= 2", "w >= 2"]),
    "gradient of pooling": Row(pooled_backwards, ["h, w"], {"h": 7, "w": 6}, ["h>=2", "w>=2"]),
    "window of a symbol": Row(pooled_whole, ["b, n"], BN),
    "window of two results": Row(two_in_a_window, ["b"], B),
    "resize": Row(
        lambda x: jax.image.resize(x, (2 * x.shape[0], x.shape[1] + 1), "linear"), ["b, n"], BN
    ),
    "Fourier transform of rows": Row(lambda x: jnp.abs(jnp.fft.fft(x)), ["b, 8"], B),
    "Cholesky": Row(lambda x: jnp.linalg.cholesky(x @ x.T + 9 * jnp.eye(x.shape[0])), ["b, b"], B),
    "solve": Row(
        lambda x, y: jnp.linalg.solve(x @ x.mT + 9 * jnp.eye(3), y), ["b, 3, 3", "b, 3, n"], BN
    ),
    "eigenvalues": Row(lambda x: jnp.linalg.eigvalsh(x @ x.T), ["b, b"], B),
    "singular values": Row(lambda x: jnp.linalg.svd(x, compute_uv=False), ["b, n"], BN),
    "determinant": Row(jnp.linalg.det, ["b, b"], B),
    "random numbers": Row(noisy, ["b, n"], BN),
    "einsum": Row(lambda x, y: jnp.einsum("abk,ack->abc", x, y), ["a, b, 4", "a, c, 4"], ABC),
    "triple product": Row(lambda x, y, z: x @ y @ z, ["a, b", "b, c", "c, a"], ABC),
    "broadcast of a symbol that is 1": Row(lambda x: x + x[:1], ["b, n"], {"b": 1, "n": 3}),
    "bytes": Row(lambda x: (x.sum(), x << 1, x @ x.T), ["b, n"], BN, dtype="int8"),
    "halves": Row(lambda x: nn.softmax(x @ x.T) @ x, ["b, n"], BN, dtype="bfloat16"),
    "booleans": Row(lambda x: (x.all(0), x.any(1), ~x, x.sum()), ["b, n"], BN, dtype="bool"),
}


def inputs_of(row: Row) -> list[np.ndarray]:
    """Numbers around 0, or small whole ones."""
    rng = np.random.default_rng(7)
    names = {"max": max, "min": min, "floordiv": lambda a, b: a // b, "mod": lambda a, b: a % b}
    found: list[np.ndarray] = []
    for shape in row.shapes:
        extents = eval(f"({shape},)".replace("^", "**"), names, row.values)
        real = rng.standard_normal(extents) * (3 if "int" in row.dtype else 1)
        found.append(np.asarray(jnp.asarray(real > 0 if row.dtype == "bool" else real, row.dtype)))
    return found


def exported(row: Row) -> export.Exported:
    scope = export.SymbolicScope(row.constraints)
    arguments = [
        jax.ShapeDtypeStruct(export.symbolic_shape(shape, scope=scope), row.dtype)
        for shape in row.shapes
    ]
    return export.export(jax.jit(row.function))(*arguments)


@pytest.mark.parametrize("name", ROWS)
def test_a_polymorphic_function_gives_what_jax_makes_of_it(name: str, tmp_path: Path) -> None:
    row = ROWS[name]
    module = exported(row)
    source, artifact = tmp_path / "f.bin", tmp_path / "f.neff"
    source.write_bytes(module.mlir_module_serialized)
    symbols = [word for s, n in row.values.items() for word in ("--symbol", f"{s}={n}")]
    assert main(["compile", str(source), "-o", str(artifact), "-q", *symbols]) == 0
    inputs = inputs_of(row)
    found = neuronc.load(artifact.read_bytes())(*inputs)
    expected = jax.tree.leaves(module.call(*inputs))
    for one, other in zip(found, expected, strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        # Sums of at most 200 products of numbers around 1; bfloat16 has a sixteenth of the bits.
        loose = 2e-2 if row.dtype == "bfloat16" else 1e-4
        np.testing.assert_allclose(
            one.astype(np.float32), np.asarray(other, np.float32), rtol=loose, atol=loose / 10
        )
