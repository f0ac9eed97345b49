"""How often loops run: known from their bounds, or assumed, and what a profile makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import neuronc
from neuronc.artifact.container import read, write
from neuronc.artifact.model import Artifact, While
from neuronc.artifact.program import decode_program, encode_program
from neuronc.cli import main
from neuronc.passes.count_trips import _count
from neuronc.profile import profile_of
from neuronc.report import report_of

Function = Callable[[jax.Array, jax.Array], object]


def scanned(x: jax.Array, w: jax.Array) -> object:
    return lax.scan(lambda c, _: (jnp.tanh(c @ w), c.sum()), x, None, length=12)


def until(x: jax.Array, w: jax.Array) -> object:
    return lax.while_loop(lambda c: c.sum() < 100.0, lambda c: jnp.tanh(c @ w), x)


def nested(x: jax.Array, w: jax.Array) -> object:
    def inner(i: jax.Array, c: jax.Array) -> jax.Array:
        return lax.fori_loop(0, 5, lambda j, d: jnp.tanh(d @ w) + i + j, c)

    return lax.fori_loop(3, 10, inner, x)


def compiled(fn: Function) -> Artifact:
    shapes = (128, 256), (256, 256)
    return neuronc.compile(
        jax.jit(fn).lower(*(jax.ShapeDtypeStruct(s, "f4") for s in shapes))
    ).model


@pytest.mark.parametrize("direction", ["LT", "LE", "GT", "GE", "NE", "EQ"])
def test_counts_are_those_of_the_loop_itself(direction: str) -> None:
    holds = {
        "LT": int.__lt__, "LE": int.__le__, "GT": int.__gt__,
        "GE": int.__ge__, "NE": int.__ne__, "EQ": int.__eq__,
    }[direction]  # fmt: skip
    known = 0
    for start in range(-4, 5):
        for step in (-3, -2, -1, 1, 2, 3):
            for bound in range(-5, 6):
                found, value, runs = _count(direction, start, step, bound), start, 0
                while holds(value, bound) and runs < 50:
                    value, runs = value + step, runs + 1
                if found is not None:
                    known += 1
                    assert found == runs < 50, (start, step, bound)
    assert (known > 200) != (direction == "EQ")


@pytest.mark.parametrize(("fn", "dots"), [(scanned, 12), (nested, 35)])
def test_bounds_say_how_often_kernels_run(fn: Function, dots: int) -> None:
    model = compiled(fn)
    found, report = profile_of(model), report_of(model)
    flops = 2 * 128 * 256 * 256
    assert found.flops == report.tensor_flops == dots * flops
    assert found.assumed_loops == report.loops == 0
    assert found.seconds == pytest.approx(report.seconds)
    calls = sum(row["calls"] for row in found.kernels().values())
    assert calls == sum(found.counts.values()) > dots > len(found.calls) / 2
    # Nothing is assumed, so nothing changes.
    assert profile_of(model, trips=9).seconds == found.seconds


def test_what_data_decides_is_assumed() -> None:
    model = compiled(until)
    once, often = profile_of(model), profile_of(model, trips=8)
    assert once.assumed_loops == report_of(model).loops == 1
    assert often.flops == 8 * once.flops
    (repeat,) = often.repeats
    assert repeat.times == 7
    assert often.seconds == pytest.approx(once.seconds + repeat.seconds)
    assert sum(often.critical_by_engine.values()) == pytest.approx(often.seconds)
    assert profile_of(model, trips=0).flops == 0


def test_the_file_keeps_what_is_known(tmp_path: Path) -> None:
    program = (While((), 3, (), 12), While((), 3, ()), While((), 3, (), 0))
    assert decode_program(memoryview(encode_program(program)), "x") == program
    model = compiled(scanned)
    write(model, tmp_path / "scan.neff")
    assert read(tmp_path / "scan.neff").program == model.program


def test_the_command_takes_a_number_and_the_trace_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(compiled(until), tmp_path / "until.neff")
    file, trace = str(tmp_path / "until.neff"), tmp_path / "trace.json"
    assert main(["profile", file, "--trips", "64", "-o", str(trace)]) == 0
    assert "1 loop assumed to run 64 times (--trips)" in capsys.readouterr().out
    events = json.loads(trace.read_text())["traceEvents"]
    assert sum(e.get("name") == "63 more iterations" for e in events) == 1
    called = [e["args"]["calls"] for e in events if e.get("cat") == "kernel" and "args" in e]
    assert {64, 65} <= set(called)
    with pytest.raises(SystemExit):
        main(["profile", file, "--trips", "-1"])
