"""MLP and CNN exporters against NumPy in float64."""

from functools import partial

import jax
import jax.numpy as jnp
import lenet
import mlp
import numpy as np
import pytest
import resnet18

# Float32 against float64: each of a handful of layers adds sums of at most a few thousand terms
# of size about 1, which rounds by well under 1e-5 of the largest output.
TOLERANCE = 1e-5


def assert_close(actual: object, expected: np.ndarray):
    assert np.abs(np.asarray(actual) - expected).max() <= TOLERANCE * np.abs(expected).max()


def convolve(x: np.ndarray, kernel: np.ndarray, stride: int = 1) -> np.ndarray:
    """x [B, H, W, in] by kernel [h, w, in, out] without padding, in float64."""
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))
    windows = windows[:, ::stride, ::stride].astype(np.float64)
    return np.einsum("bijchw,hwco->bijo", windows, kernel)


def test_mlp_equals_numpy():
    fn, (layers, x) = mlp.model(batch=3, widths=(16, 8, 8, 4))
    expected = x.astype(np.float64)
    for layer in layers[:-1]:
        expected = np.maximum(expected @ layer["weight"] + layer["bias"], 0)
    expected = expected @ layers[-1]["weight"] + layers[-1]["bias"]
    assert_close(jax.jit(fn)(layers, x), expected)


def pool(x: np.ndarray) -> np.ndarray:
    """Mean over 2x2 windows of x [B, H, W, C]."""
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).mean((2, 4))


def test_lenet_equals_numpy():
    fn, (weights, images) = lenet.model(batch=2)
    x = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    x = pool(np.tanh(convolve(x, weights["conv1"]) + weights["conv1.bias"]))
    x = pool(np.tanh(convolve(x, weights["conv2"]) + weights["conv2.bias"])).reshape(2, -1)
    for name in ("dense1", "dense2"):
        x = np.tanh(x @ weights[name] + weights[f"{name}.bias"])
    odds = np.exp(x @ weights["dense3"] + weights["dense3.bias"])
    assert_close(jax.jit(fn)(weights, images), odds / odds.sum(-1, keepdims=True))


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_resnet_gives_finite_logits(groups: int):
    config = resnet18.Config(width=8, groups=groups, classes=5)
    fn, args = resnet18.model(config, image=32, batch=2)
    logits = np.asarray(jax.jit(fn)(*args))
    assert logits.shape == (2, 5)
    assert np.isfinite(logits).all()
    assert logits.std() > 0.1


def test_resnet_has_the_parameters_of_resnet_18():
    shapes = resnet18.convolution_shapes(resnet18.Config())
    convolutions = sum(np.prod(shape) + shape[0] for shape in shapes.values())
    # torchvision's 11,689,512, less a scale for each of the 4,800 channels with a batch norm.
    assert convolutions + 512 * 1000 + 1000 == 11_689_512 - 4_800


@pytest.mark.parametrize("groups", [1, 2])
def test_resnet_convolution_equals_numpy(groups: int):
    random = np.random.default_rng(0)
    x = random.standard_normal((2, 4, 9, 9), np.float32)
    weight = random.standard_normal((6, 4 // groups, 3, 3), np.float32)
    bias = random.standard_normal(6, np.float32)
    weights = {"c.weight": weight, "c.bias": bias}
    actual = jax.jit(partial(resnet18.convolve, name="c", stride=2, groups=groups))(weights, x=x)

    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))).transpose(0, 2, 3, 1)
    parts = zip(np.split(padded, groups, -1), np.split(weight, groups), strict=True)
    expected = [convolve(part, kernel.transpose(2, 3, 1, 0), 2) for part, kernel in parts]
    assert_close(actual, (np.concatenate(expected, -1) + bias).transpose(0, 3, 1, 2))


def test_max_pool_equals_numpy():
    x = np.random.default_rng(0).standard_normal((1, 2, 8, 8), np.float32)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    expected = windows[:, :, ::2, ::2].max((4, 5))
    np.testing.assert_array_equal(resnet18.max_pool(jnp.asarray(x)), expected)


def test_folded_batch_norm_equals_batch_norm():
    random = np.random.default_rng(0)
    x, weight = random.standard_normal((2, 5, 5, 3)), random.standard_normal((4, 3, 3, 3))
    scale, shift, mean, var = random.uniform(0.5, 2, (4, 4))
    folded, bias = resnet18.fold_batch_norm(weight, scale, shift, mean, var)
    y = convolve(x, weight.transpose(2, 3, 1, 0))
    expected = (y - mean) / np.sqrt(var + 1e-5) * scale + shift
    assert_close(convolve(x, folded.transpose(2, 3, 1, 0)) + bias, expected)
