"""The three names of `neuronc`: compile, load, and what they return."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neuronc
from neuronc import api
from neuronc.errors import InputError
from neuronc.ir import is_ir, parse_ir, print_ir

MLP = """func.func @main(%x: tensor<4x8xf32>, %w: tensor<8x2xf32>) -> tensor<4x2xf32> {
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0]
    : (tensor<4x8xf32>, tensor<8x2xf32>) -> tensor<4x2xf32>
  %1 = stablehlo.tanh %0 : tensor<4x2xf32>
  return %1 : tensor<4x2xf32>
}
"""
X = np.linspace(-1, 1, 32, dtype=np.float32).reshape(4, 8)
W = np.linspace(-1, 2, 16, dtype=np.float32).reshape(8, 2)
EXPECTED = np.tanh(X.astype(np.float64) @ W)
# A float32 sum of 8 products and a tanh: some units in the last place of values up to 1.
TOLERANCE = 8 * np.finfo(np.float32).eps


def lowered() -> jax.stages.Lowered:
    return jax.jit(lambda x, w: jnp.tanh(x @ w)).lower(X, W)


def weights_inside() -> jax.stages.Lowered:
    large = np.arange(4096, dtype=np.float32).reshape(8, 512)
    return jax.jit(lambda x: x @ large).lower(X)


@pytest.mark.parametrize("kind", ["path", "str path", "text", "bytes", "lowered"])
def test_every_kind_of_program_compiles_and_runs(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "model.mlir"
    path.write_text(MLP)
    sources = {
        "path": path,
        "str path": str(path),
        "text": MLP,
        "bytes": MLP.encode(),
        "lowered": lowered(),
    }
    program = neuronc.load(neuronc.compile(sources[kind]))
    (out,) = program(X, W)
    np.testing.assert_allclose(out, EXPECTED, rtol=0, atol=TOLERANCE)


def test_the_artifact_is_the_same_in_memory_as_bytes_and_in_a_file(tmp_path: Path) -> None:
    compiled = neuronc.compile(MLP, target="trn1")
    compiled.save(tmp_path / "model.neff")
    assert (tmp_path / "model.neff").read_bytes() == bytes(compiled)
    outputs = [
        neuronc.load(source)(X, W)[0].tobytes()
        for source in (compiled, compiled.model, bytes(compiled), tmp_path / "model.neff")
    ]
    assert len(set(outputs)) == 1


def test_the_same_program_and_flags_give_the_same_bytes(tmp_path: Path) -> None:
    script = "import neuronc,sys; sys.stdout.buffer.write(bytes(neuronc.compile(sys.argv[1])))"
    path = tmp_path / "model.mlir"
    path.write_text(MLP)
    command = [sys.executable, "-c", script, str(path)]
    other = subprocess.run(command, check=True, capture_output=True).stdout
    assert other == bytes(neuronc.compile(path))


def test_provenance_names_compiler_libraries_flags_and_input() -> None:
    found = neuronc.compile(MLP, target="trn3").model.provenance
    assert found["compiler"] == f"neuronc {neuronc.__version__}"
    assert found["flag.target"] == "trn3"
    assert found["jaxlib"] == "0.10.2"
    assert found["xdsl"].startswith("0.74")
    assert len(found["input_sha256"]) == 64


def test_large_constants_go_to_an_external_file_and_come_back(tmp_path: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    compiled = neuronc.compile(weights_inside(), external_weights=weights)
    assert not weights.exists()
    compiled.save(tmp_path / "model.neff")
    inside = bytes(neuronc.compile(weights_inside()))
    assert (tmp_path / "model.neff").stat().st_size < len(inside) < weights.stat().st_size * 2
    program = neuronc.load(tmp_path / "model.neff", weights=weights, check=True)
    assert program(X)[0].tobytes() == neuronc.load(inside)(X)[0].tobytes()


def test_a_pipe_may_be_written(tmp_path: Path) -> None:
    path = tmp_path / "model.mlir"
    path.write_text(MLP)
    script = "import neuronc,sys; neuronc.compile(sys.argv[1]).save('/dev/stdout')"
    command = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(command, check=True, capture_output=True)
    assert done.stdout == bytes(neuronc.compile(path))


def test_external_weights_that_are_not_given_are_missed_when_loading(tmp_path: Path) -> None:
    compiled = neuronc.compile(weights_inside(), external_weights=tmp_path / "weights")
    compiled.save(tmp_path / "model.neff")
    with pytest.raises(InputError, match="weights are in a file that was not given"):
        neuronc.load(tmp_path / "model.neff")


def test_wrong_arrays_are_refused(golden: Callable[[str, str], None]) -> None:
    program = neuronc.load(neuronc.compile(MLP))
    mistakes = {
        "program(x)": (X,),
        "program(x, w, w)": (X, W, W),
        "program(x, w.T)": (X, W.T),
        "program(x, w.astype(float64))": (X, W.astype(np.float64)),
    }
    text = ""
    for call, arrays in mistakes.items():
        with pytest.raises(InputError) as caught:
            program(*arrays)
        text += f"{call}\n{caught.value}\n"
    golden("errors/arrays.txt", text)


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(InputError, match="trn9"):
        neuronc.compile(MLP, target="trn9")


@pytest.mark.parametrize("stage", api.STAGE_NAMES)
def test_the_ir_of_every_stage_reads_back(stage: str) -> None:
    text = api.lower(MLP, stage)
    assert is_ir(text)
    assert print_ir(parse_ir(text, "<test>")) == text


def test_passes_by_name_do_what_the_pipeline_does() -> None:
    tiled = api.lower(MLP, "tiled")
    assert api.opt(tiled, ["select", "allocate"]) == api.lower(MLP, "placed")
    assert api.opt(MLP, []) == api.lower(MLP, "loaded")


def test_the_report_adds_up() -> None:
    report = neuronc.compile(MLP).report
    assert report.tensor_flops >= 2 * 4 * 8 * 2
    assert report.library_flops == 0
    assert report.footprint.input_bytes == X.nbytes + W.nbytes
    assert report.footprint.output_bytes == EXPECTED.size * 4
    assert 0 < report.sbuf_bytes <= report.sbuf_limit_bytes
    assert 0 < report.seconds < 1e-3


def test_loops_are_counted_once_and_said_so() -> None:
    def power(x: jax.Array) -> jax.Array:
        return jax.lax.while_loop(lambda y: y.sum() < 100, lambda y: y @ y, x)

    report = neuronc.compile(jax.jit(power).lower(np.eye(8, dtype=np.float32))).report
    assert report.loops == 1
    assert "loop" in str(report)


def test_the_runtime_imports_nothing_of_the_compiler() -> None:
    script = (
        "import sys, neuronc.runtime.load, neuronc; neuronc.load; "
        "print(*sorted({name.split('.')[0] for name in sys.modules} - sys.stdlib_module_names))"
    )
    command = [sys.executable, "-c", script]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    allowed = {"__main__", "neuronc", "numpy", "ml_dtypes"}
    assert {name for name in found if not name.startswith("_")} <= allowed
