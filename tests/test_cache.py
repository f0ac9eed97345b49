"""The compile cache: what is there is the same file, and what is not says why."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import neuronc
from neuronc import api, cache
from neuronc.cli import main
from neuronc.errors import InputError
from neuronc.hardware import GENERATIONS, TRN2

TEMPLATE = """
func.func @main(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %c = stablehlo.constant dense<"0x{data}"> : tensor<4x8xf32>
  %y = stablehlo.add %x, %c : tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}
"""
PROGRAM = TEMPLATE.replace("{data}", "".join(f"{i:02x}00003f" for i in range(32)))
OTHER = PROGRAM.replace("add", "multiply")


def only(directory: Path) -> Path:
    (path,) = directory.glob("*.neff")
    return path


def test_a_hit_is_the_same_artifact(tmp_path: Path) -> None:
    fresh = neuronc.compile(PROGRAM)
    first = neuronc.compile(PROGRAM, cache_dir=tmp_path)
    second = neuronc.compile(PROGRAM, cache_dir=tmp_path)
    assert (first.cached, second.cached) == (False, True)
    assert bytes(fresh) == bytes(first) == bytes(second) == only(tmp_path).read_bytes()
    assert second.report == fresh.report


@pytest.mark.parametrize(
    "change",
    [{"target": "trn1"}, {"name": "other.mlir"}, {"module": OTHER}],
    ids=["target", "name", "content"],
)
def test_what_changes_the_bytes_misses(tmp_path: Path, change: dict[str, str]) -> None:
    given = {"module": PROGRAM, "target": "trn2", "name": "a.mlir"}
    neuronc.compile(**given, cache_dir=tmp_path)
    assert not neuronc.compile(**(given | change), cache_dir=tmp_path).cached
    assert neuronc.compile(**given, cache_dir=tmp_path).cached


def test_other_numbers_of_the_target_miss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    neuronc.compile(PROGRAM, cache_dir=tmp_path)
    monkeypatch.setitem(GENERATIONS, "trn2", replace(TRN2, vector_hz=TRN2.vector_hz // 2))
    assert not neuronc.compile(PROGRAM, cache_dir=tmp_path).cached


def test_the_environment_names_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEURONC_CACHE_DIR", str(tmp_path / "new" / "dir"))
    neuronc.compile(PROGRAM)
    assert neuronc.compile(PROGRAM).cached


WEIGHTED = """
func.func @main(%x: tensor<4x8xf32>, %w: tensor<4x8xf32> loc("w")) -> tensor<4x8xf32> {
  %y = stablehlo.add %x, %w : tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}
"""
ONES, TWOS = (np.full((4, 8), value, np.float32) for value in (1, 2))


def test_weights_are_part_of_the_key(tmp_path: Path) -> None:
    first = neuronc.compile(WEIGHTED, weights={"w": ONES}, cache_dir=tmp_path)
    again = neuronc.compile(WEIGHTED, weights={"w": ONES.copy()}, cache_dir=tmp_path)
    other = neuronc.compile(WEIGHTED, weights={"w": TWOS}, cache_dir=tmp_path)
    assert [first.cached, again.cached, other.cached] == [False, True, False]
    assert bytes(first) == bytes(again) != bytes(other)
    (y,) = neuronc.load(again)(TWOS)
    assert (y == 3).all()


def test_named_weights_may_change_and_are_attached(tmp_path: Path) -> None:
    first = neuronc.compile(WEIGHTED, weights={"w": ONES}, named=True, cache_dir=tmp_path)
    again = neuronc.compile(WEIGHTED, weights={"w": TWOS}, named=True, cache_dir=tmp_path)
    plain = neuronc.compile(WEIGHTED, weights={"w": ONES}, cache_dir=tmp_path)
    assert [first.cached, again.cached, plain.cached] == [False, True, False]
    assert bytes(first) == bytes(again)
    (y,) = neuronc.load(again)(ONES)
    assert (y == 3).all()


def test_external_weights_are_written_on_a_hit(tmp_path: Path) -> None:
    data = "".join(f"{i:04x}803f" for i in range(1024))
    program = TEMPLATE.replace("4x8", "32x32").replace("{data}", data)
    made = [
        neuronc.compile(program, external_weights=tmp_path / w, cache_dir=tmp_path / "kept")
        for w in ("a", "b")
    ]
    assert [m.cached for m in made] == [False, True]
    for each in made:
        each.save(tmp_path / "p.neff")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert bytes(made[0]) == bytes(made[1])
    assert not neuronc.compile(program, cache_dir=tmp_path / "kept").cached


def test_dumping_the_ir_compiles_and_keeps(tmp_path: Path) -> None:
    for _ in range(2):
        made = neuronc.compile(PROGRAM, dump_ir=tmp_path / "ir", cache_dir=tmp_path / "kept")
        assert not made.cached
    assert neuronc.compile(PROGRAM, cache_dir=tmp_path / "kept").cached


@pytest.mark.parametrize("place", ["code", "constants", "cut"])
def test_a_damaged_entry_is_dropped(tmp_path: Path, place: str) -> None:
    whole = bytes(neuronc.compile(PROGRAM, cache_dir=tmp_path))
    path = only(tmp_path)
    at = {"code": len(whole) // 2, "constants": whole.index(b"\x05\x00\x00\x3f"), "cut": 0}[place]
    damaged = whole[:-1] if place == "cut" else whole[:at] + b"\xff" + whole[at + 1 :]
    path.write_bytes(damaged)
    again = neuronc.compile(PROGRAM, cache_dir=tmp_path)
    assert not again.cached
    assert bytes(again) == whole == only(tmp_path).read_bytes()


def test_what_was_not_used_for_longest_goes(tmp_path: Path) -> None:
    size = len(bytes(neuronc.compile(PROGRAM, cache_dir=tmp_path, name="0")))
    neuronc.compile(PROGRAM, cache_dir=tmp_path, name="1")
    for entry in cache.Cache(tmp_path).entries():
        stamp = time.time() - 100 + int(entry.parts["name"])
        os.utime(entry.path, (stamp, stamp))
    assert neuronc.compile(PROGRAM, cache_dir=tmp_path, name="0").cached
    neuronc.compile(PROGRAM, cache_dir=tmp_path, name="2", cache_limit_bytes=5 * size // 2)
    assert {e.parts["name"] for e in cache.Cache(tmp_path).entries()} == {"0", "2"}
    neuronc.compile(PROGRAM, cache_dir=tmp_path, name="3", cache_limit_bytes=0)
    assert {e.parts["name"] for e in cache.Cache(tmp_path).entries()} == {"3"}
    assert len(list(tmp_path.iterdir())) == 2


def test_processes_share_a_directory(tmp_path: Path) -> None:
    code = f"""if True:
        import neuronc
        for name in "abcabc":
            neuronc.compile({PROGRAM!r}, name=name, cache_dir={str(tmp_path)!r})
    """
    runs = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in "123"]
    errors = [run.communicate()[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], errors
    assert {e.parts["name"] for e in cache.Cache(tmp_path).entries()} == set("abc")
    assert not list(tmp_path.glob("*tmp*"))
    assert neuronc.compile(PROGRAM, name="a", cache_dir=tmp_path).cached


def explain(program: str, directory: Path, **more: str) -> str:
    return str(api.explain_cache(program, cache_dir=directory, **more))


def test_explain_says_what_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert explain(PROGRAM, tmp_path) == "not in the cache, which is empty"
    neuronc.compile(PROGRAM, cache_dir=tmp_path)
    neuronc.compile(OTHER, cache_dir=tmp_path, name="x")
    assert explain(PROGRAM, tmp_path).startswith("in the cache as ")
    assert "flag target was trn2, is trn3" in explain(PROGRAM, tmp_path, target="trn3")
    lines = explain(PROGRAM + "// more\n", tmp_path).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["content"]
    neuronc.compile(WEIGHTED, weights={"w": ONES}, cache_dir=tmp_path)
    found = str(api.explain_cache(WEIGHTED, cache_dir=tmp_path, weights={"w": TWOS}))
    assert "  weight w was float32 [4, 8] " in found
    found = str(api.explain_cache(WEIGHTED, cache_dir=tmp_path, weights={"w": ONES}, named=True))
    assert "  named weight w was not given" in found
    monkeypatch.setattr(cache, "VERSION", "9.9")
    cache._compiler.cache_clear()
    assert "compiler was neuronc" in explain(PROGRAM, tmp_path)
    monkeypatch.undo()
    cache._compiler.cache_clear()


def test_the_commands_list_explain_and_clear(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program, kept = tmp_path / "p.mlir", ["--cache-dir", str(tmp_path / "kept")]
    program.write_text(PROGRAM)
    for _ in range(2):
        assert main(["compile", str(program), "-o", str(tmp_path / "p.neff"), *kept]) == 0
    assert "p.neff (from the cache)" in capsys.readouterr().out
    assert main(["cache", "explain", str(program), *kept]) == 0
    assert "in the cache" in capsys.readouterr().out
    assert main(["cache", "list", *kept]) == 0
    assert "target=trn2" in capsys.readouterr().out
    assert main(["cache", "clear", *kept]) == 0
    assert "removed 1" in capsys.readouterr().out
    assert main(["cache", "explain", str(tmp_path / "no.mlir"), *kept]) == 1
    assert "NRC-0101" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["cache", "list"])


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="NRC-0605"):
        neuronc.compile(PROGRAM, cache_dir=tmp_path / "file")


def test_a_directory_that_cannot_be_written_costs_only_the_keeping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program, kept = tmp_path / "p.mlir", tmp_path / "kept"
    program.write_text(PROGRAM)
    line = ["compile", str(program), "-o", str(tmp_path / "p.neff"), "--cache-dir", str(kept)]
    assert main(line) == 0
    whole = (tmp_path / "p.neff").read_bytes()

    def refuse(*_: object) -> None:
        raise InputError("x", "cannot write: read-only file system", code="NRC-0605")

    monkeypatch.setattr(cache, "write", refuse)
    monkeypatch.setattr(os, "utime", lambda *_: (_ for _ in ()).throw(OSError()))
    capsys.readouterr()
    assert main(line) == 0
    out, err = capsys.readouterr()
    assert (out.splitlines()[0].endswith("(from the cache)"), err) == (True, "")
    assert main([*line, "--target", "trn1"]) == 0
    assert "read-only file system; compiled without keeping it" in capsys.readouterr().err
    assert (tmp_path / "p.neff").read_bytes() != whole
    assert [entry.parts["flag target"] for entry in cache.Cache(kept).entries()] == ["trn2"]


@pytest.mark.parametrize("text", ["", "garbage", "[1]", None])
def test_an_entry_without_its_description_counts_and_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None
) -> None:
    neuronc.compile(PROGRAM, cache_dir=tmp_path)
    described = only(tmp_path).with_suffix(".json")
    described.write_text(text) if text is not None else described.unlink()
    assert explain(PROGRAM, tmp_path).startswith("in the cache as ")
    assert explain(OTHER, tmp_path) == "not in the cache, which is empty"
    assert main(["cache", "list", "--cache-dir", str(tmp_path)]) == 0
    assert "its description is damaged" in capsys.readouterr().out
    assert neuronc.compile(PROGRAM, cache_dir=tmp_path).cached
    neuronc.compile(OTHER, cache_dir=tmp_path, cache_limit_bytes=0)
    assert len(list(tmp_path.iterdir())) == 2
    assert cache.Cache(tmp_path).clear() == 1


def test_explain_tells_a_damaged_entry(tmp_path: Path) -> None:
    neuronc.compile(PROGRAM, cache_dir=tmp_path)
    path = only(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    assert explain(PROGRAM, tmp_path).endswith("but damaged: it will be compiled again")
    assert path.exists()


def test_a_description_whose_entry_is_gone_goes_too(tmp_path: Path) -> None:
    neuronc.compile(PROGRAM, cache_dir=tmp_path)
    only(tmp_path).unlink()
    (described,) = tmp_path.iterdir()
    os.utime(described, (0, 0))
    neuronc.compile(OTHER, cache_dir=tmp_path)
    assert not described.exists()


def test_a_limit_is_a_number(tmp_path: Path) -> None:
    for limit in ("-1", "abc", "1.5"):
        with pytest.raises(SystemExit, match="2"):
            main(["compile", "p.mlir", "-o", "p.neff", "--cache-limit", limit])
