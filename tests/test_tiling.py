"""Contractions of many shapes: every way that the search cuts them computes the same product."""

from __future__ import annotations

import re
from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest

import neuronc
from neuronc import api
from neuronc.passes import choose_tiles
from neuronc.runtime.program import Program

CASES = {
    "one tile": ("mk,kn->mn", (64, 96, 32)),
    "remainders everywhere": ("mk,kn->mn", (200, 300, 700)),
    "several blocks": ("mk,kn->mn", (640, 512, 1536)),
    "one row": ("mk,kn->mn", (1, 768, 2304)),
    "few rows": ("mk,kn->mn", (7, 1100, 1300)),
    "one column": ("mk,kn->mn", (300, 400, 1)),
    "K of one": ("mk,kn->mn", (130, 1, 600)),
    "small K": ("mk,kn->mn", (300, 8, 1100)),
    "both contiguous along K": ("mk,nk->mn", (300, 520, 700)),
    "neither contiguous along K": ("km,kn->mn", (260, 400, 600)),
    "lhs as a weight": ("km,nk->mn", (260, 400, 600)),
    "long K": ("mk,kn->mn", (140, 4100, 520)),
}


def program(equation: str, sizes: tuple[int, ...], kind: str) -> tuple[str, list[tuple[int, ...]]]:
    """The text of a contraction with a bias and a residual, and the shapes of its arguments."""
    size = dict(zip("mkn", sizes, strict=True))
    left, right = equation.split("->")[0].split(",")
    shapes = [tuple(size[c] for c in side) for side in (left, right)]
    x, w = ("x".join(map(str, s)) + f"x{kind}" for s in shapes)
    y, b = f"{size['m']}x{size['n']}x{kind}", f"{size['n']}x{kind}"
    dims = f"[{left.index('k')}] x [{right.index('k')}]"
    text = f"""
    func.func @main(%x: tensor<{x}>, %w: tensor<{w}>, %b: tensor<{b}>, %r: tensor<{y}>)
        -> tensor<{y}> {{
      %d = stablehlo.dot_general %x, %w, contracting_dims = {dims}
        : (tensor<{x}>, tensor<{w}>) -> tensor<{y}>
      %c = stablehlo.broadcast_in_dim %b, dims = [1] : (tensor<{b}>) -> tensor<{y}>
      %s = stablehlo.add %d, %c : tensor<{y}>
      %z = stablehlo.add %s, %r : tensor<{y}>
      return %z : tensor<{y}>
    }}"""
    return text, [*shapes, (size["n"],), (size["m"], size["n"])]


@pytest.mark.parametrize("target", ["trn1", "trn2"])
@pytest.mark.parametrize("kind", ["f32", "bf16"])
@pytest.mark.parametrize("case", CASES)
def test_a_contraction_is_exact_and_free_of_races(case: str, kind: str, target: str) -> None:
    equation, sizes = CASES[case]
    text, shapes = program(equation, sizes, kind)
    dtype = np.dtype(np.float32) if kind == "f32" else np.dtype(ml_dtypes.bfloat16)
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s).astype(dtype) for s in shapes]
    compiled = neuronc.compile(text, target=target)
    (out,) = Program(compiled.model, check=True)(*arrays)
    x, w, b, r = (a.astype(np.float64) for a in arrays)
    expected = np.einsum(equation, x, w) + b + r
    # float32 sums of K products err by K ulp at the very worst; three roundings to the type.
    scale = np.einsum(equation, abs(x), abs(w)) + abs(b) + abs(r)
    ulp = 2.0**-24 if kind == "f32" else 2.0**-8
    bound = scale * (sizes[1] + 2) * 2.0**-24 + 3 * ulp * (
        abs(np.einsum(equation, x, w)) + abs(b) + abs(r)
    )
    assert (abs(out.astype(np.float64) - expected) <= bound).all()


CHOICES = {
    "several blocks of the lhs stay in turn": ("mk,kn->mn", (2048, 2048, 2048), "bf16", "trn2"),
    "a large block of the rhs stays": ("mk,kn->mn", (4096, 8192, 8192), "bf16", "trn1"),
    "the whole rhs stays": ("km,kn->mn", (2048, 256, 512), "bf16", "trn2"),
    "K too long to hold, both stream": ("mk,kn->mn", (512, 65536, 1024), "f32", "trn2"),
    "few rows of a long line": ("km,kn->mn", (16, 768, 3072), "f32", "trn2"),
    "one row": ("mk,kn->mn", (1, 768, 3072), "bf16", "trn2"),
    "the result transposed, for one column": ("mk,kn->mn", (3072, 768, 1), "bf16", "trn2"),
    "small K": ("km,kn->mn", (4096, 64, 4096), "bf16", "trn2"),
}


def test_the_choices_of_the_search(golden: Callable[[str, str], None]) -> None:
    lines: list[str] = []
    for name, (equation, sizes, kind, target) in CHOICES.items():
        text, _ = program(equation, sizes, kind)
        tiled = api.lower(text, "tiled", target)
        (chosen,) = re.findall(r'tilings = \["([^"]*)"\]', tiled)
        extents = "x".join(map(str, sizes))
        lines.append(f"{name}: {equation} {extents} {kind} {target}\n  {chosen}\n")
    golden("passes/tilings.txt", "".join(lines))


def test_equal_shapes_are_searched_once() -> None:
    text, _ = program("mk,kn->mn", (384, 640, 896), "f32")
    before = choose_tiles.searches()
    for _ in range(3):
        neuronc.compile(text)
    assert choose_tiles.searches() <= before + 1


CONVOLUTIONS = {
    "3 x 3 of several images at a time": ((8, 20, 7, 7), (12, 20, 3, 3), 1, "o, i, 0, 1"),
    "more channels than partitions": ((2, 150, 9, 9), (140, 150, 3, 3), 1, "o, i, 0, 1"),
    "strided, few channels": ((2, 3, 33, 33), (16, 3, 7, 7), 2, "o, i, 0, 1"),
    "features of the kernel last": ((2, 40, 15, 15), (3, 3, 40, 24), 1, "0, 1, i, o"),
    "1 x 1, strided": ((3, 64, 14, 14), (32, 64, 1, 1), 2, "o, i, 0, 1"),
    "images larger than a block": ((2, 16, 70, 70), (8, 16, 3, 3), 1, "o, i, 0, 1"),
}


@pytest.mark.parametrize("kind", ["f32", "bf16"])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_windows_are_read_from_what_they_cover(case: str, kind: str) -> None:
    image, kernel, stride, order = CONVOLUTIONS[case]
    rng = np.random.default_rng(0)
    dtype = np.dtype(np.float32) if kind == "f32" else np.dtype(ml_dtypes.bfloat16)
    x, w = (rng.standard_normal(s).astype(dtype) for s in (image, kernel))
    oihw = w.transpose(3, 2, 0, 1) if order.startswith("0") else w
    windows = np.lib.stride_tricks.sliding_window_view(
        x.astype(np.float64), oihw.shape[2:], axis=(2, 3)
    )[:, :, ::stride, ::stride]
    expected = np.einsum("nchwyx,ocyx->nohw", windows, oihw.astype(np.float64))
    size = "x".join(map(str, expected.shape))
    text = f"""
    func.func @main(%x: tensor<{"x".join(map(str, image))}x{kind}>,
        %w: tensor<{"x".join(map(str, kernel))}x{kind}>) -> tensor<{size}x{kind}> {{
      %y = stablehlo.convolution(%x, %w) dim_numbers = [b, f, 0, 1]x[{order}]->[b, f, 0, 1],
        window = {{stride = [{stride}, {stride}]}}
        {{batch_group_count = 1 : i64, feature_group_count = 1 : i64}}
        : (tensor<{"x".join(map(str, image))}x{kind}>, tensor<{"x".join(map(str, kernel))}x{kind}>)
        -> tensor<{size}x{kind}>
      return %y : tensor<{size}x{kind}>
    }}"""
    assert "windows with" in api.lower(text, "tiled", "trn2")
    compiled = neuronc.compile(text)
    (out,) = Program(compiled.model, check=True)(x, w)
    # As above: K roundings of the sum of magnitudes, and one to the type.
    scale = np.einsum("nchwyx,ocyx->nohw", abs(windows), abs(oihw.astype(np.float64)))
    ulp = 2.0**-24 if kind == "f32" else 2.0**-8
    terms = oihw[0].size
    bound = scale * (terms + 2) * 2.0**-24 + ulp * abs(expected)
    assert (abs(out.astype(np.float64) - expected) <= bound).all()
    for workers in (1, 2):
        (quick,) = Program(compiled.model, workers=workers)(x, w)
        assert (abs(quick.astype(np.float64) - expected) <= bound).all()
