"""Dynamic shapes, from the values a user gives to the numbers that come out."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import neuronc
from neuronc.arrays import read_npz, write_npz
from neuronc.cli import main
from neuronc.errors import InputError, NeuroncError, UnsupportedError
from neuronc.frontend.symbols import evaluate, names_in, shapes_in

UNNAMED = """func.func @main(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = stablehlo.tanh %x : tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}
"""


def attention(q, k, mask):
    """[b, s, 8] and [b, t, 8] to [b, s, 8], with a mask [b, t]."""
    scores = jnp.where(mask[:, None, :] > 0, q @ k.swapaxes(1, 2), -1e9)
    return jax.nn.softmax(scores) @ k


def pooled(x):
    """[b, 2*n] to [b, n]: the larger of each pair."""
    return x.reshape(x.shape[0], -1, 2).max(-1)


def exported(function, *shapes: str) -> bytes:
    """The portable artifact of a function on float32 arrays of symbolic shapes."""
    scope = export.SymbolicScope()
    arguments = [
        jax.ShapeDtypeStruct(export.symbolic_shape(shape, scope=scope), jnp.float32)
        for shape in shapes
    ]
    return export.export(jax.jit(function))(*arguments).mlir_module_serialized


ATTENTION = exported(attention, "b, s, 8", "b, t, 8", "b, t")
POOLED = exported(pooled, "b, 2*n")


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def message(program: bytes | str, kind: type[NeuroncError] = InputError, **shapes: object) -> str:
    with pytest.raises(kind) as caught:
        neuronc.compile(program, shapes=shapes, name="p.mlir")
    return str(caught.value)


@pytest.mark.parametrize(("b", "s", "t"), [(1, 1, 1), (2, 5, 3), (3, 16, 130)])
def test_symbols_give_a_program_that_computes_what_jax_does(b, s, t):
    program = neuronc.load(bytes(neuronc.compile(ATTENTION, shapes={"b": b, "s": s, "t": t})))
    inputs = normal(b, s, 8), normal(b, t, 8), normal(b, t) + 1
    (found,) = program(*inputs)
    expected = np.asarray(attention(*map(jnp.asarray, inputs)))
    assert found.shape == (b, s, 8)
    # Sums of at most 130 products of numbers around 1, in float32.
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "shapes",
    [
        {"b": 3, "n": 4},
        {0: (3, 8)},
        {"arg0": (3, 8)},
        {"arg0": (3, 8), "n": 4},
    ],
)
def test_shapes_and_symbols_say_the_same(shapes):
    program = neuronc.load(bytes(neuronc.compile(POOLED, shapes=shapes)))
    x = normal(3, 8)
    np.testing.assert_array_equal(program(x)[0], np.asarray(pooled(x)))


def test_a_constraint_of_the_export_is_checked():
    scope = export.SymbolicScope(["b >= 4"])
    argument = jax.ShapeDtypeStruct(export.symbolic_shape("b", scope=scope), jnp.float32)
    module = export.export(jax.jit(lambda x: x[2:]))(argument).mlir_module_serialized
    assert "NRC-0111: Input shapes do not match the symbolic shape constraint b >= 4" in message(
        module, b=3
    )


def test_an_extent_that_no_symbol_gives_is_refused():
    module = exported(lambda x: x.sum(1), "b, 2*c + 1")
    assert "Division had remainder 1 when computing the value of 'c'" in message(
        module, arg0=(2, 6)
    )


def test_what_symbols_mean_follows_from_them():
    (x,) = neuronc.load(bytes(neuronc.compile(POOLED, shapes={"b": 5, "n": 7}))).signature.inputs
    assert x.shape == (5, 14)


def test_a_shape_without_symbols_is_given_by_argument():
    program = neuronc.load(bytes(neuronc.compile(UNNAMED, shapes={"arg0": (4, 8)})))
    assert program.signature.outputs[0].shape == (4, 8)


def test_the_command_line_takes_both(tmp_path: Path):
    source, artifact = tmp_path / "pooled.bin", str(tmp_path / "pooled.neff")
    source.write_bytes(POOLED)
    for options in (["--symbol", "b=2", "--symbol", "n=3"], ["--shape", "arg0=2x6"]):
        assert main(["compile", str(source), "-o", artifact, "-q", *options]) == 0
        write_npz(tmp_path / "in.npz", {"arg0": normal(2, 6)})
        outputs = str(tmp_path / "out.npz")
        assert main(["run", artifact, "-i", str(tmp_path / "in.npz"), "-o", outputs]) == 0
        np.testing.assert_array_equal(read_npz(outputs)["out0"], np.asarray(pooled(normal(2, 6))))


def test_missing_values_are_listed():
    assert message(ATTENTION, UnsupportedError) == (
        "p.mlir: error: NRC-0206: dynamic shapes need values: "
        "f32[b, s, 8] of argument 0, f32[b, t, 8] of argument 1, f32[b, t] of argument 2\n"
        "  hint: give values: --symbol b=4 --symbol s=4 --symbol t=4"
    )


def test_what_is_still_missing_is_listed():
    assert message(ATTENTION, UnsupportedError, b=2, s=5) == (
        "p.mlir: error: NRC-0206: dynamic shapes need values: "
        "f32[2, t, 8] of argument 1, f32[2, t] of argument 2\n"
        "  hint: give values: --symbol t=4"
    )


def test_an_unknown_symbol_is_named_beside_the_known():
    assert message(ATTENTION, batch=2) == (
        "p.mlir: error: NRC-0109: 'batch' is no symbol\n"
        "  hint: arguments: arg0, arg1, arg2; symbols: b (dimension 0 of arg0), "
        "s (dimension 1 of arg0), t (dimension 1 of arg1)"
    )


def test_an_unknown_argument_is_named_beside_the_known():
    assert message(POOLED, x=(2, 6)) == (
        "p.mlir: error: NRC-0109: 'x' is no argument\n  hint: arguments: arg0; symbols: b, n"
    )


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 7), (2, 5, 8, 1), (2, -1, 8)])
def test_a_shape_must_fit_its_argument(shape):
    extents = "x".join(map(str, shape))
    assert message(ATTENTION, arg0=shape) == (
        f"p.mlir: error: NRC-0110: shape {extents} does not fit arg0, [b, s, 8]\n"
        "  hint: give one extent for each dimension, and the known ones as they are"
    )


def test_an_extent_must_not_be_negative():
    assert message(POOLED, b=-1, n=2) == (
        "p.mlir: error: NRC-0110: -1 is no extent for symbol b\n  hint: extents are 0 or more"
    )


def test_shapes_must_agree_with_each_other():
    assert message(ATTENTION, arg0=(2, 5, 8), arg1=(3, 7, 8), arg2=(3, 7)) == (
        "p.mlir: error: NRC-0111: 3 was given for dimension 0 of arg1, but b is 2\n"
        "  hint: arg1 is [b, t, 8], and b = 2, s = 5, t = 7"
    )


def test_shapes_must_agree_with_symbols():
    assert message(POOLED, arg0=(2, 7), n=3) == (
        "p.mlir: error: NRC-0111: 7 was given for dimension 1 of arg0, but 2*n is 6\n"
        "  hint: arg0 is [b, 2*n], and n = 3, b = 2"
    )


def test_shapes_must_suit_the_operations():
    assert "NRC-0111: number of output elements" in message(POOLED, arg0=(2, 7))


def test_a_symbol_is_at_least_one():
    assert "Expected value >= 1 for dimension variable 'b'" in message(POOLED, b=0, n=1)


@pytest.mark.parametrize(
    ("extent", "names", "value"),
    [
        ("b", ["b"], 7),
        ("2*b", ["b"], 14),
        ("b + -1", ["b"], 6),
        ("max(b, t) + 1", ["b", "t"], 8),
        ("min(b, t)", ["b", "t"], 3),
        ("floordiv(b, 2)*t", ["b", "t"], 9),
        ("mod(b, 4)", ["b"], 3),
        ("b^2 - t", ["b", "t"], 46),
        ("12", [], 12),
        ("floordiv(b, b - 7)", ["b"], None),
        ("c", ["c"], None),
        ("?", [], None),
    ],
)
def test_extents_are_arithmetic(extent, names, value):
    assert names_in(extent) == names
    assert evaluate(extent, {"b": 7, "t": 3}) == value


def test_extents_are_cut_at_the_outer_commas():
    text = "args[0].shape = (b, max(b, t)),args[1]['w'].shape = (t,). Obtained dimension"
    assert shapes_in(text) == [["b", "max(b, t)"], ["t"]]


def test_a_symbol_that_a_constraint_defines_is_not_in_the_program():
    """JAX puts the definition in its place, and takes no symbol that no shape has."""
    scope = export.SymbolicScope(["c == a*b"])
    shapes = [export.symbolic_shape(shape, scope=scope) for shape in ("a, b", "c")]
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    module = export.export(jax.jit(lambda x, y: x.reshape(-1) + y))(*arguments)
    assert str(module.in_avals[1]) == "float32[a*b]"
    program = module.mlir_module_serialized
    assert message(program, a=2, b=3, c=6) == (
        "p.mlir: error: NRC-0109: 'c' is no symbol\n  hint: arguments: arg0, arg1; "
        "symbols: a (dimension 0 of arg0), b (dimension 1 of arg0)"
    )
    compiled = neuronc.load(bytes(neuronc.compile(program, shapes={"a": 2, "b": 3})))
    assert [x.shape for x in compiled.signature.inputs] == [(2, 3), (6,)]
    lonely = export.symbolic_shape("a", constraints=["d >= 2", "a >= d"])
    with pytest.raises(Exception, match="'d' that is not appearing in the shapes"):
        export.export(jax.jit(jnp.sin))(jax.ShapeDtypeStruct(lonely, jnp.float32))
