"""Every verb, as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neuronc.cli import VERBS, main
from neuronc.pipeline import STAGE_NAMES

MODEL = """func.func @main(%x: tensor<4x8xf32>, %w: tensor<8x2xf32>) -> tensor<4x2xf32> {
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0]
    : (tensor<4x8xf32>, tensor<8x2xf32>) -> tensor<4x2xf32>
  return %0 : tensor<4x2xf32>
}
"""
DYNAMIC = """func.func @main(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = stablehlo.add %x, %x : tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}
"""


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    Path("model.mlir").write_text(MODEL)


@pytest.fixture
def neff() -> str:
    assert main(["compile", "model.mlir", "-o", "model.neff", "-q"]) == 0
    return "model.neff"


def test_compile_ends_with_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "model.mlir", "-o", "model.neff"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for word in ("kernels", "instructions", "SBUF", "PSUM", "HBM", "FLOPs", "library", "latency"):
        assert word in out


def test_compile_reports_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "model.mlir", "-o", "model.neff", "--json", "--time-passes"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["target"] == "trn2"
    assert report["passes"][0]["stage"] == "loaded"


def test_compile_times_passes_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "model.mlir", "-o", "model.neff", "-q", "--time-passes"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "tile-kernels" in err
    assert "total" in err


def test_compile_dumps_one_file_a_stage() -> None:
    assert main(["compile", "model.mlir", "-o", "model.neff", "-q", "--dump-ir", "ir"]) == 0
    names = [f"{i}-{stage}.mlir" for i, stage in enumerate(STAGE_NAMES)]
    assert sorted(os.listdir("ir")) == names


def test_a_stage_goes_through_a_pipe_to_opt(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "model.mlir", "--stop-after", "tiled", "-o", "tiled.mlir"]) == 0
    assert main(["opt", "tiled.mlir", "--passes", "select,allocate"]) == 0
    assert main(["compile", "model.mlir", "--stop-after", "placed"]) == 0
    out = capsys.readouterr().out
    assert out[: len(out) // 2] == out[len(out) // 2 :]


def test_shapes_fill_in_dynamic_ones(capsys: pytest.CaptureFixture[str]) -> None:
    Path("model.mlir").write_text(DYNAMIC)
    status = main(["compile", "model.mlir", "-o", "model.neff", "-q", "--shape", "arg0=4x8"])
    assert (status, capsys.readouterr().err) == (0, "")
    assert main(["inspect", "model.neff"]) == 0
    assert "f32[4, 8]" in capsys.readouterr().out


def test_run_takes_and_gives_named_arrays(neff: str) -> None:
    x, w = np.ones((4, 8), np.float32), np.full((8, 2), 2, np.float32)
    np.savez("inputs.npz", arg0=x, arg1=w)
    assert main(["run", neff, "-i", "inputs.npz", "-o", "outputs.npz", "--check"]) == 0
    with np.load("outputs.npz") as outputs:
        np.testing.assert_array_equal(outputs["out0"], np.full((4, 2), 16, np.float32))


def test_run_makes_inputs_and_measures(neff: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", neff, "--random", "0", "--time", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["median_seconds"] > 0
    assert found["outputs"][0]["shape"] == [4, 2]


def test_run_prints_outputs_without_a_file(neff: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", neff, "--random", "0", "--time"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("out0 f32[4, 2]\n[[")
    assert "(median)" in out


def test_external_weights_travel_beside_the_artifact() -> None:
    rows = [[float(i) for i in range(200)]] * 8
    constant = f"%w = stablehlo.constant dense<{rows}> : tensor<8x200xf32>"
    text = MODEL.replace(", %w: tensor<8x2xf32>", "").replace("{\n", f"{{\n  {constant}\n", 1)
    Path("model.mlir").write_text(text.replace("8x2x", "8x200x").replace("4x2x", "4x200x"))
    weights = ["--external-weights", "w.safetensors"]
    assert main(["compile", "model.mlir", "-o", "model.neff", "-q", *weights]) == 0
    assert main(["verify", "model.neff", *weights]) == 0
    assert main(["run", "model.neff", "--random", "0", "-o", "out.npz", *weights]) == 0


def test_inspect_shows_signature_kernels_and_provenance(
    neff: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", neff]) == 0
    text = capsys.readouterr().out
    assert main(["inspect", neff, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["inputs"][1]["shape"] == [8, 2]
    assert found["provenance"]["compiler"] in text
    assert found["kernels"][0]["name"] in text


def test_disasm_prints_source_lines(neff: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["disasm", neff, "--kernel", "0", "--engine", "tensor"]) == 0
    out = capsys.readouterr().out
    assert "MatMul" in out
    assert "stablehlo.dot_general model.mlir:2" in out
    assert "dma_in\n" not in out


def test_verify_says_ok(neff: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", neff]) == 0
    assert capsys.readouterr().out == "model.neff: ok\n"


def test_golden_records_the_reference_and_checks_against_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["golden", "record", "model.mlir", "-o", "kept", "--tolerance", "out0=0,1e-6"]) == 0
    capsys.readouterr()
    assert main(["golden", "check", "kept"]) == 0
    assert capsys.readouterr().out.startswith("out0 4x2xf32: ok")


def test_golden_check_fails_when_an_output_moved(capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("inputs.npz", arg0=np.ones((4, 8), np.float32), arg1=np.ones((8, 2), np.float32))
    np.savez("outputs.npz", out0=np.full((4, 2), 9, np.float32))
    files = ["-i", "inputs.npz", "--reference", "files", "--expected", "outputs.npz"]
    assert main(["golden", "record", "model.mlir", "-o", "kept", *files]) == 0
    capsys.readouterr()
    assert main(["golden", "check", "kept"]) == 1
    assert "8.0 instead of 9.0" in capsys.readouterr().out


def test_ops_lists_operations(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ops"]) == 0
    assert {"stablehlo.add", "chlo.erf"} <= set(capsys.readouterr().out.split())


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_helps_with_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([verb, "--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert f"\n  neuronc {verb}" in out


@pytest.mark.parametrize(
    "command",
    [
        "",
        "magic",
        "compile",
        "compile model.mlir",
        "compile model.mlir -o x.neff --target trn9",
        "compile model.mlir -o x.neff --shape arg0",
        "compile model.mlir -o x.neff --symbol b=x",
        "compile model.mlir -o x.neff --cache-limit much",
        "run model.neff",
        "run model.neff --random -1",
        "profile model.neff --trips -1",
        "disasm model.neff --engine magic",
        "golden",
        "golden record model.mlir -o kept --tolerance out0=x",
        "golden record model.mlir -o kept --seed -1",
    ],
)
def test_wrong_usage_exits_with_2(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(command.split())
    assert exit_.value.code == 2
    assert "usage: neuronc" in capsys.readouterr().err


def neuronc(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "neuronc", *words]
    return subprocess.run(command, input=stdin, capture_output=True, check=False)


def test_progress_shows_on_a_terminal_only() -> None:
    terminal, stderr = os.openpty()
    command = [sys.executable, "-m", "neuronc", "compile", "model.mlir", "-o", "model.neff"]
    subprocess.run(command, check=True, stderr=stderr, stdout=subprocess.DEVNULL)
    os.close(stderr)
    assert b"emitted: assemble, kernel 1 of 1" in os.read(terminal, 1 << 16)
    assert neuronc(*command[3:]).stderr == b""


def test_the_program_may_come_from_standard_input() -> None:
    assert neuronc("compile", "-", "-o", "a.neff", "-q", stdin=MODEL.encode()).returncode == 0
    assert neuronc("compile", "model.mlir", "-o", "b.neff", "-q").stderr == b""
    assert Path("a.neff").stat().st_size == Path("b.neff").stat().st_size


def test_a_users_error_exits_with_1_and_a_message_only() -> None:
    done = neuronc("compile", "-", "-o", "a.neff", stdin=b"magic")
    assert done.returncode == 1
    assert done.stderr.startswith(b"<stdin>:1:1: error: ")
    assert b"Traceback" not in done.stderr


def test_a_reader_that_stops_early_is_no_error(neff: str) -> None:
    command = f"{sys.executable} -m neuronc disasm {neff} | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, check=True)
    assert done.stderr == b""


def test_running_imports_nothing_of_the_compiler(neff: str) -> None:
    script = (
        "import sys; from neuronc.cli import main; main(sys.argv[1:]); "
        "assert not {'xdsl', 'jax', 'jaxlib', 'safetensors', 'rich'} & set(sys.modules)"
    )
    for words in (["run", neff, "--random", "0"], ["inspect", neff], ["verify", neff]):
        subprocess.run([sys.executable, "-c", script, *words], check=True, capture_output=True)
