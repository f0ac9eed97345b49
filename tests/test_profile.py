"""Profiles of artifacts small enough to add up by hand, and the trace as its format wants it."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import neuronc
from neuronc.artifact.model import Artifact, Buffer, BufferKind, Call, Case, Kernel, While
from neuronc.cli import main
from neuronc.dtypes import BY_NAME
from neuronc.hardware import TRN2
from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory, Operand
from neuronc.isa.records import Record, encode
from neuronc.isa.table import ENGINES, Engine, Instruction
from neuronc.profile import Profile, profile_of
from neuronc.report import report_of
from neuronc.trace import write_trace

F32 = BY_NAME["f32"].code
NS = 1e-9
COPY = 512 / 0.96
LATENCY = 100 / 0.96
LOAD = 8 * (1024 / 254 + 1024 / 368) * 16
START, DONE = 1300, 300
BYTES = 128 * 2048


def chip(tile: int) -> Operand:
    return Operand(Memory.SBUF, F32, 0, (1,), (512,), 0, 0, 128, 2048 * tile, 2048)


def hbm(buffer: int) -> Operand:
    return Operand(Memory.HBM, F32, 0, (1024, 1), (128, 512), buffer)


def stream(engine: Engine, *records: tuple[Instruction, dict[Engine, int], int]) -> np.ndarray:
    rows = [Record(i, tuple(w.get(e, 0) for e in ENGINES), s) for i, w, s in records]
    return encode(rows, engine)


def kernel() -> Kernel:
    """Load, copy, store: one record after the other."""
    streams = {
        Engine.DMA_IN: stream(Engine.DMA_IN, (isa.DmaCopy(chip(0), hbm(0), 0), {}, 0)),
        Engine.VECTOR: stream(Engine.VECTOR, (isa.Copy(chip(1), chip(0)), {Engine.DMA_IN: 1}, 1)),
        Engine.DMA_OUT: stream(
            Engine.DMA_OUT, (isa.DmaCopy(hbm(1), chip(1), 0), {Engine.VECTOR: 1}, 1)
        ),
    }
    return Kernel("copy_0", 2, streams, hbm_bytes=2 * BYTES, written=(1,))


def artifact(program: tuple[Any, ...]) -> Artifact:
    kinds = (BufferKind.INPUT, BufferKind.OUTPUT)
    buffers = tuple(Buffer(k, 0, 0, BYTES, "f32", (128, 512)) for k in kinds)
    sources = (("a.py:1", "stablehlo.abs"), ("a.py:2", "stablehlo.add"))
    return Artifact("trn2", (), (), (kernel(),), buffers, 0, program, (), sources)


CALL = Call(0, (0, 1))
ONE = START + LOAD + DONE + COPY + LATENCY + START + LOAD


def profile(*program: Any) -> Profile:
    return profile_of(artifact(program))


def test_a_chain_of_records_adds_up() -> None:
    found = profile(CALL)
    assert found.seconds == pytest.approx(ONE * NS)
    assert found.busy_seconds == pytest.approx({"dma": 2 * LOAD * NS, "vector": COPY * NS})
    assert found.exposed_dma_seconds == pytest.approx(2 * LOAD * NS)
    assert (found.hbm_moved_bytes, found.hbm_compulsory_bytes) == (2 * BYTES, 2 * BYTES)
    assert found.mbu == pytest.approx(2 * BYTES / (362 * ONE))
    assert found.mfu == 0
    assert found.busy_by_op == pytest.approx(
        {"stablehlo.abs a.py:1": LOAD * NS, "stablehlo.add a.py:2": (COPY + LOAD) * NS}
    )


def test_the_critical_path_adds_up_to_the_latency() -> None:
    found = profile(CALL)
    expected = {"dma_in": START + LOAD, "vector": DONE + COPY, "dma_out": LATENCY + START + LOAD}
    assert found.critical_by_engine == pytest.approx({e: t * NS for e, t in expected.items()})
    assert sum(found.critical_by_op.values()) == pytest.approx(found.seconds)


def test_calls_follow_each_other_loops_count_once_and_the_costliest_branch_counts() -> None:
    loop = While((CALL,), 0, (CALL, CALL))
    branch = Case(0, ((CALL,), (CALL, CALL), ()))
    found = profile(CALL, loop, branch)
    # A loop tests once more than it runs.
    assert len(found.calls) == 1 + 4 + 2
    assert found.seconds == pytest.approx(7 * ONE * NS)
    assert found.calls[2].start_seconds == pytest.approx(2 * ONE * NS)
    assert profile().seconds == 0


PROGRAM = """
func.func @main(%x: tensor<256x256xf32>, %w: tensor<256x512xf32>) -> tensor<256x512xf32> {
  %y = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0]
      : (tensor<256x256xf32>, tensor<256x512xf32>) -> tensor<256x512xf32>
  %z = stablehlo.tanh %y : tensor<256x512xf32>
  return %z : tensor<256x512xf32>
}
"""


@pytest.fixture(scope="module")
def compiled() -> Artifact:
    return neuronc.compile(PROGRAM).model


def test_the_profile_and_the_report_agree(compiled: Artifact) -> None:
    found, report = profile_of(compiled), report_of(compiled)
    assert found.seconds == pytest.approx(report.seconds)
    assert found.flops == report.tensor_flops == 2 * 256 * 256 * 512
    assert found.hbm_moved_bytes == report.hbm_moved_bytes
    assert found.hbm_compulsory_bytes == report.hbm_compulsory_bytes
    assert found.mfu == pytest.approx(found.flops / (2 * 128 * 128 * 2.4e9 * found.seconds))
    assert sum(found.critical_by_engine.values()) == pytest.approx(found.seconds)
    assert profile_of(compiled, ramp=True).seconds > found.seconds
    assert profile_of(compiled).to_dict() == found.to_dict()


def read_trace(path: Path) -> list[dict[str, Any]]:
    trace = json.loads(path.read_text())
    assert set(trace) == {"displayTimeUnit", "traceEvents"}
    return trace["traceEvents"]


def test_a_trace_is_what_the_format_wants(compiled: Artifact, tmp_path: Path) -> None:
    """Trace Event Format: the fields of each phase, slices of a thread apart or nested."""
    path = tmp_path / "trace.json"
    found = profile_of(compiled)
    write_trace(compiled, found, path)
    events = read_trace(path)
    needed = {"X": {"ts", "dur", "name"}, "M": {"args"}, "s": {"id", "ts"}, "f": {"id", "ts", "bp"}}
    lanes: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for event in events:
        assert needed[event["ph"]] | {"pid", "tid", "name"} <= set(event)
        if event["ph"] == "X":
            lanes[event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    for spans in lanes.values():
        ordered = sorted(spans)
        for (_, stop), (start, _) in pairwise(ordered):
            assert start >= stop - 1e-3  # a nanosecond: times have four digits of a microsecond
    records = sum(
        len(s) for call in found.calls for s in compiled.kernels[call.kernel].streams.values()
    )
    assert sum(map(len, lanes.values())) == records + len(found.calls)
    starts = {e["id"]: e["ts"] for e in events if e["ph"] == "s"}
    ends = {e["id"]: e["ts"] for e in events if e["ph"] == "f"}
    assert starts
    assert starts.keys() == ends.keys()
    assert all(starts[i] <= ends[i] + 1e-3 for i in starts)


def test_slices_say_what_they_do(compiled: Artifact, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    write_trace(compiled, profile_of(compiled), path)
    slices = [e for e in read_trace(path) if e["ph"] == "X"]
    flops = sum(e["args"].get("flops", 0) for e in slices if e["cat"] == "tensor")
    assert flops == 2 * 256 * 256 * 512
    moved = sum(e["args"]["bytes"] for e in slices if e["cat"].startswith("dma"))
    assert moved >= 4 * (256 * 256 + 256 * 512 + 256 * 512)
    tanh = next(e for e in slices if e["name"] == "Activation")
    assert tanh["args"]["op"] == "stablehlo.tanh"
    assert tanh["args"]["waited_for"]


def test_the_command_prints_and_writes(
    compiled: Artifact, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    neuronc.compile(PROGRAM).save(tmp_path / "m.neff")
    assert main(["profile", str(tmp_path / "m.neff"), "-o", str(tmp_path / "t.json")]) == 0
    text = capsys.readouterr().out
    assert "MFU" in text
    assert "critical path by engine" in text
    assert read_trace(tmp_path / "t.json")
    assert main(["profile", str(tmp_path / "m.neff"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["seconds"] == pytest.approx(report_of(compiled).seconds)
    assert main(["profile", str(tmp_path / "m.neff"), "-o", str(tmp_path / "no" / "t.json")]) == 1
    assert "NRC-0605" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.partial"))


def test_the_peak_is_the_published_one() -> None:
    """Hardware.md 1.2: 79 TFLOPS of bf16."""
    found = profile(CALL)
    assert found.peak_flops / found.seconds == pytest.approx(79e12, rel=0.01)
    assert TRN2.hbm_bytes_per_second == 362e9


@pytest.mark.parametrize("trips", [4, 40])
def test_what_a_loop_writes_to_an_input_is_compulsory_each_time(trips: int) -> None:
    """Each iteration writes the next row of a cache, until all of it is written."""

    def fill(cache: Any, row: Any) -> Any:
        def write(i: Any, cache: Any) -> Any:
            return jax.lax.dynamic_update_slice(cache, row, (i % 16, 0))

        return jax.lax.fori_loop(0, trips, write, cache)

    given = [jax.ShapeDtypeStruct(shape, "float32") for shape in ((16, 256), (1, 256))]
    model = neuronc.compile(jax.jit(fill, donate_argnums=0).lower(*given)).model
    cache, row = (4 * np.prod(shape.shape) for shape in given)
    for found in (profile_of(model), report_of(model)):
        # The output is the cache itself; the loop's counter starts from a constant of 4 bytes.
        assert found.hbm_compulsory_bytes == row + 4 + min(trips * row, cache)


def test_updates_in_place_are_compulsory_as_far_as_they_are_written() -> None:
    """A weight is read and its successor written; a cache is not read, and its new row written."""

    def step(weight: Any, cache: Any, row: Any) -> Any:
        return weight * 0.5, jax.lax.dynamic_update_slice(cache, row, (7, 0))

    shapes = (256, 512), (1024, 256), (1, 256)
    given = [jax.ShapeDtypeStruct(shape, "float32") for shape in shapes]
    model = neuronc.compile(jax.jit(step, donate_argnums=(0, 1)).lower(*given)).model
    weight, _, row = (4 * np.prod(shape) for shape in shapes)
    for found in (profile_of(model), report_of(model)):
        assert found.hbm_compulsory_bytes == 2 * weight + 2 * row


def test_of_a_table_the_rows_that_are_looked_up_are_compulsory() -> None:
    def look_up(table: Any, rows: Any) -> Any:
        return table[rows] * 2.0

    given = jax.ShapeDtypeStruct((5000, 256), "float32"), jax.ShapeDtypeStruct((4,), "int32")
    found = report_of(neuronc.compile(jax.jit(look_up).lower(*given)).model)
    assert found.hbm_compulsory_bytes == 2 * 4 * 256 * 4 + 4 * 4
    assert found.hbm_moved_bytes >= found.hbm_compulsory_bytes
