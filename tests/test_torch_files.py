"""`.pt2` files on the command line: what a user does, and each mistake with its message."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from neuronc.cli import main  # noqa: E402

X = torch.zeros(3, 16)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """By name, the bytes of files that are programs, and of some that are not."""
    folder = tmp_path_factory.mktemp("programs")
    torch.manual_seed(0)
    model, batch = torch.nn.Linear(16, 4), torch.export.Dim("batch", min=2, max=64)
    for name, dims in (("model", None), ("dynamic", ({0: batch},))):
        program = torch.export.export(model, (X,), dynamic_shapes=dims)
        torch.export.save(program, folder / f"{name}.pt2")
    torch.save(model.state_dict(), folder / "weights.pt2")
    torch.jit.save(torch.jit.trace(model, X), folder / "script.pt2")
    found = {path.stem: path.read_bytes() for path in folder.iterdir()}
    return found | {"short": found["model"][:3000]}


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    programs: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Command:
    """Run a command in a folder that has the files: status, output, errors."""
    monkeypatch.chdir(tmp_path)
    for name, data in programs.items():
        Path(f"{name}.pt2").write_bytes(data)

    def run(words: str, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            status = main(words.split())
        return status, *capfd.readouterr()

    return run


def test_a_file_compiles_in_silence(command: Command) -> None:
    assert command("compile model.pt2 -o model.neff -q") == (0, "", "")
    assert command("check model.pt2") == (0, "model.pt2: ok\n", "")


def test_a_file_may_come_from_standard_input(command: Command, programs: Any) -> None:
    """Its content tells what it is, as of any other program."""
    assert command("compile - -o model.neff -q", programs["model"]) == (0, "", "")
    assert command("check -", programs["model"]) == (0, "<stdin>: ok\n", "")


@pytest.mark.parametrize("weights", ["", " --external-weights w.safetensors"])
def test_a_file_is_compiled_once_for_a_cache(command: Command, weights: str) -> None:
    words = f"compile model.pt2 -o model.neff --cache-dir kept{weights}"
    assert "cache" not in command(words)[1]
    first = Path("model.neff").read_bytes()
    assert "in the cache" in command(f"cache explain model.pt2 --cache-dir kept{weights}")[1]
    assert command(words)[1].startswith("model.neff (from the cache)\n")
    assert Path("model.neff").read_bytes() == first
    assert Path("w.safetensors").exists() == bool(weights)


MISTAKES = {
    "model.pt2 --symbol batch=4": "NRC-0109: 'batch' is no symbol\n  hint: arguments: input; "
    "symbols: none",
    "model.pt2 --shape input=4x16": "NRC-0110: shape 4x16 does not fit input, [3, 16]",
    "short.pt2": "NRC-0904: this is no program of torch.export.save: File is not a zip file",
    "weights.pt2": "NRC-0904: this is no program of torch.export.save\n  hint: write it with",
    "script.pt2": "NRC-0904: this is no program of torch.export.save\n  hint: write it with",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_said_of_the_file(command: Command, words: str) -> None:
    status, out, err = command(f"compile {words} -o model.neff")
    assert (status, out) == (1, "")
    assert err.startswith(f"{words.split()[0]}: error: {MISTAKES[words]}")
    assert not Path("model.neff").exists()


def test_a_dynamic_file_says_what_may_be_given(command: Command) -> None:
    """Torch keeps no names of dimensions, so the message says where its own symbols are."""
    _, _, err = command("compile dynamic.pt2 -o model.neff")
    symbol = err.partition("input [")[2].partition(",")[0]
    assert err == (
        f"dynamic.pt2: error: NRC-0902: dynamic extents: input [{symbol}, 16]\n"
        "  hint: give the shapes of one bucket: shapes={'input': (4, 16)}, --shape input=4x16\n"
    )
    _, _, err = command("compile dynamic.pt2 -o model.neff --symbol batch=4")
    assert err == (
        "dynamic.pt2: error: NRC-0109: 'batch' is no symbol\n"
        f"  hint: arguments: input; symbols: {symbol} (dimension 0 of input)\n"
    )
    _, _, err = command(f"compile dynamic.pt2 -o model.neff --symbol {symbol}=65")
    assert err.startswith("dynamic.pt2: error: NRC-0906: ")
