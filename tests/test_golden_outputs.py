"""A recording holds what the reference computed, and a check says what moved."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from neuronc.arrays import read_npz, write_npz
from neuronc.errors import InputError, NeuroncError
from neuronc.frontend.source import read_program
from neuronc.golden import check, record
from neuronc.golden_compare import Tolerance
from neuronc.golden_manifest import EXPECTED, INPUTS, MANIFEST, PROGRAM, read_manifest
from neuronc.golden_reference import run_jax

PROGRAM_TEXT = """
func.func public @main(%x: tensor<4x8xf32>, %n: tensor<i32>) -> (tensor<4x8xf32>, tensor<i32>) {
  %y = stablehlo.tanh %x : tensor<4x8xf32>
  %m = stablehlo.add %n, %n : tensor<i32>
  return %y, %m : tensor<4x8xf32>, tensor<i32>
}
"""
X = np.linspace(-2, 2, 32, dtype=np.float32).reshape(4, 8)
N = np.array(21, np.int32)
INPUT_ARRAYS, EXPECTED_ARRAYS = (X, N), (np.tanh(X), np.array(42, np.int32))


def changed(directory: Path, **arrays: np.ndarray) -> None:
    """Change what was expected, as if the reference had said so."""
    expected = read_npz(directory / EXPECTED) | arrays
    record(
        directory / PROGRAM,
        directory,
        reference="files",
        inputs=directory / INPUTS,
        expected=list(expected.values()),
    )


def test_a_recording_of_jax_checks(tmp_path: Path):
    lowered = jax.jit(lambda x, w: (jnp.tanh(x @ w), jnp.argmax(x, 1))).lower(X, X.T)
    manifest = record(lowered, tmp_path / "case", seed=7)
    assert [o.dtype for o in manifest.outputs] == ["f32", "i32"]
    assert manifest.provenance["name"] == "jax"
    assert manifest.provenance["inputs"] == "random, seed 7"
    assert manifest == read_manifest(tmp_path / "case")
    report = check(tmp_path / "case")
    assert report.ok
    assert str(report).splitlines()[-1] == f"{tmp_path / 'case'}: ok"


def test_the_reference_is_what_jax_computes(tmp_path: Path):
    def function(x: jax.Array, n: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jnp.sin(x) * 3, n + 1

    record(jax.jit(function).lower(X, N), tmp_path, inputs=INPUT_ARRAYS)
    expected = read_npz(tmp_path / EXPECTED)
    for found, wanted in zip(expected.values(), jax.jit(function)(X, N), strict=True):
        np.testing.assert_array_equal(found, np.asarray(wanted))


def test_the_reference_keeps_wide_and_narrow_types():
    types = ["f64", "i64", "ui64", "i4", "bf16", "f8E4M3FN", "i1", "complex<f64>"]
    names = ", ".join(f"%a{i}: tensor<3x{t}>" for i, t in enumerate(types))
    values = ", ".join(f"%a{i}" for i in range(len(types)))
    results = ", ".join(f"tensor<3x{t}>" for t in types)
    text = f"func.func public @main({names}) -> ({results}) {{ return {values} : {results} }}"
    kinds = ["f8", "i8", "u8", ml_dtypes.int4, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, "?"]
    arrays = [np.arange(3).astype(np.int8).astype(kind) for kind in [*kinds, "c16"]]
    found = run_jax(read_program(text, "x").module, arrays, "x")
    assert [a.dtype for a in found] == [a.dtype for a in arrays]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(found, arrays, strict=True))


def test_a_recording_from_files_checks(tmp_path: Path):
    write_npz(tmp_path / "in.npz", {"arg0": X, "arg1": N})
    write_npz(tmp_path / "out.npz", {"out0": EXPECTED_ARRAYS[0], "out1": EXPECTED_ARRAYS[1]})
    manifest = record(
        PROGRAM_TEXT,
        tmp_path / "case",
        reference="files",
        inputs=tmp_path / "in.npz",
        expected=tmp_path / "out.npz",
        origin="numpy",
    )
    assert manifest.provenance == {"name": "files", "inputs": "given", "origin": "numpy"}
    assert check(tmp_path / "case").ok


def test_the_same_recording_has_the_same_bytes(tmp_path: Path):
    for name in "ab":
        record(PROGRAM_TEXT, tmp_path / name)
    for file in (PROGRAM, INPUTS, EXPECTED, MANIFEST):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_program_is_kept_as_it_was_given(tmp_path: Path):
    path = tmp_path / "model.mlir"
    path.write_text(PROGRAM_TEXT)
    for source in (PROGRAM_TEXT, PROGRAM_TEXT.encode(), path, str(path)):
        record(source, tmp_path / "case")
        assert (tmp_path / "case" / PROGRAM).read_text() == PROGRAM_TEXT


def test_what_moved_is_listed(tmp_path: Path):
    record(PROGRAM_TEXT, tmp_path, inputs=INPUT_ARRAYS)
    moved = read_npz(tmp_path / EXPECTED)["out0"].copy()
    moved[2, 3] += 0.5
    changed(tmp_path, out0=moved)
    report = check(tmp_path)
    assert [result.ok for result in report.results] == [False, True]
    assert report.results[0].difference.worst == (2, 3)
    lines = str(report).splitlines()
    assert lines[0].startswith("out0 4x8xf32: moved, ")
    assert lines[1].startswith("  1 of 32 elements; at [2, 3] it is 0.")
    assert lines[2] == "out1 i32: ok, 0 ulp, 0 of the largest (allowed: 0 ulp or 0)"
    assert lines[3] == f"{tmp_path}: 1 of 2 outputs moved"


def test_tolerances_are_kept_by_position_or_name(tmp_path: Path):
    wide = Tolerance(0, 1.0)
    manifest = record(PROGRAM_TEXT, tmp_path, inputs=INPUT_ARRAYS, tolerances={"out1": wide})
    assert manifest.outputs[1].tolerance == wide
    assert manifest.outputs[0].tolerance != wide
    with pytest.raises(InputError, match="there is no output 'out2'"):
        record(PROGRAM_TEXT, tmp_path, tolerances={"out2": wide})


WRONG_CALLS = {
    "expected outputs for jax": ({"expected": EXPECTED_ARRAYS}, "'jax' cannot be used so"),
    "files without outputs": ({"reference": "files"}, "'files' cannot be used so"),
    "no such reference": ({"reference": "torch"}, "'torch' cannot be used so"),
    "wrong shape": ({"inputs": (X.T, N)}, r"arg0: error: .*shape is \[8, 4\]"),
    "too few inputs": ({"inputs": (X,)}, "arg1 missing"),
    "outputs of a wrong type": (
        {"reference": "files", "inputs": INPUT_ARRAYS, "expected": (X, X)},
        "out1: error: .*type is float32",
    ),
}


@pytest.mark.parametrize("case", WRONG_CALLS)
def test_a_recording_that_cannot_be_made_is_one_clear_error(case: str, tmp_path: Path):
    options, message = WRONG_CALLS[case]
    with pytest.raises(InputError, match=message):
        record(PROGRAM_TEXT, tmp_path / "case", **options)
    assert not (tmp_path / "case").exists()


def test_a_program_that_the_reference_does_not_run_is_one_clear_error(tmp_path: Path):
    text = "func.func public @main() -> tensor<f32> { %0 = stablehlo.custom_call @f() : () -> "
    text += "tensor<f32> return %0 : tensor<f32> }"
    with pytest.raises(InputError, match=r"the reference does not run it: .*custom call to f"):
        run_jax(read_program(text, "x").module, [], "x")
    with pytest.raises(NeuroncError):
        record(text, tmp_path / "case")


def test_a_missing_program_or_directory_is_one_clear_error(tmp_path: Path):
    with pytest.raises(InputError, match="cannot read: No such file"):
        record(tmp_path / "missing.mlir", tmp_path / "case")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write: "):
        record(PROGRAM_TEXT, tmp_path / "file")
    with pytest.raises(InputError, match="cannot read: No such file"):
        check(tmp_path / "missing")


@pytest.mark.parametrize("file", [PROGRAM, INPUTS, EXPECTED])
def test_a_recording_that_was_changed_is_refused(file: str, tmp_path: Path):
    record(PROGRAM_TEXT, tmp_path)
    (tmp_path / file).write_bytes((tmp_path / file).read_bytes() + b" ")
    with pytest.raises(InputError, match="is not the file that was recorded"):
        check(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(InputError, match="cannot read: No such file"):
        check(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(format=2),
        lambda m: m.pop("outputs"),
        lambda m: m.update(outputs=[3]),
        lambda m: m["outputs"][0].pop("tolerance"),
        lambda m: m["outputs"][0].update(shape="x"),
        lambda m: m.update(provenance=[]),
    ],
)
def test_a_damaged_manifest_is_refused(change, tmp_path: Path):
    record(PROGRAM_TEXT, tmp_path)
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    change(manifest)
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="not a manifest"):
        read_manifest(tmp_path)
    for text in ("", "{", "[]", "[" * 100_000):
        (tmp_path / MANIFEST).write_text(text)
        with pytest.raises(InputError, match="not a manifest"):
            read_manifest(tmp_path)
