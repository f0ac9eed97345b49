"""Timelines small enough to add up by hand, from the published numbers of trn2."""

from __future__ import annotations

import time

import numpy as np
import pytest

from neuronc.dtypes import BY_NAME
from neuronc.errors import ArtifactError
from neuronc.hardware import TRN2
from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory, Operand
from neuronc.isa.records import Record, encode
from neuronc.isa.table import DMA_QUEUES, ENGINES, Engine, Instruction
from neuronc.numerics import FUNCTIONS
from neuronc.timeline.latencies import delays, latency, prices
from neuronc.timeline.queues import DMA_BUSY, QUEUE
from neuronc.timeline.simulate import Timeline, simulate

F32 = BY_NAME["f32"].code
NS = 1e-9
VECTOR_LATENCY = 100 / 0.96  # 3.1: about 100 cycles, at 0.96 GHz; nanoseconds, as all below
TENSOR_LATENCY = 100 / 2.4
SCALAR_LATENCY = 355 / 1.2
TABLE = 1280
DMA_START, DMA_DONE, DMA_LEAST = 1300, 300, 870


def chip(tile: int, columns: int = 512, memory: Memory = Memory.SBUF) -> Operand:
    """All partitions of tile number `tile`."""
    return Operand(memory, F32, 0, (1,), (columns,), 0, 0, 128, 2048 * tile, 2048)


def hbm(columns: int = 512) -> Operand:
    return Operand(Memory.HBM, F32, 0, (4096, 1), (128, columns), 0)


def run(*records: tuple[Engine, Instruction, dict[Engine, int]], ramp: bool = False) -> Timeline:
    streams: dict[Engine, list[Record]] = {}
    for engine, instruction, waits in records:
        counts = tuple(waits.get(e, 0) for e in ENGINES)
        streams.setdefault(engine, []).append(Record(instruction, counts, 0))
    return simulate({e: encode(r, e) for e, r in streams.items()}, TRN2, ramp)


def copy(dst: int, src: int) -> Instruction:
    return isa.Copy(chip(dst), chip(src))


def activation(dst: int, src: int, function: str) -> Instruction:
    return isa.Activation(chip(dst), chip(src), None, None, FUNCTIONS[function].code, 1.0)


def load(tile: int) -> Instruction:
    return isa.DmaCopy(chip(tile), hbm(), 0)


def matmul(tile: int) -> Instruction:
    return isa.MatMul(chip(tile, memory=Memory.PSUM), chip(0, 128), chip(1), 0)


COPY = 512 / 0.96  # 512 columns of float32, one a cycle
LOAD = 8 * (1024 / 254 + 1024 / 368) * 16  # 8 rows of 2 KiB for each of 16 engines


def test_independent_records_follow_each_other_and_dependent_ones_pause() -> None:
    free = run((Engine.VECTOR, copy(0, 1), {}), (Engine.VECTOR, copy(2, 3), {}))
    assert free.seconds == pytest.approx(2 * COPY * NS)
    chain = run((Engine.VECTOR, copy(0, 1), {}), (Engine.VECTOR, copy(2, 0), {}))
    assert chain.seconds == pytest.approx((2 * COPY + VECTOR_LATENCY) * NS)
    between = ((Engine.VECTOR, copy(0, 1), {}), (Engine.VECTOR, copy(4, 5), {}))
    hidden = run(*between, (Engine.VECTOR, copy(2, 0), {}))
    assert hidden.seconds == pytest.approx(3 * COPY * NS)


def test_another_engine_sees_a_result_after_the_latency() -> None:
    both = run(
        (Engine.TENSOR, matmul(0), {}),
        (Engine.VECTOR, isa.Copy(chip(2), chip(0, memory=Memory.PSUM)), {Engine.TENSOR: 1}),
    )
    matmul_ns = (4 * 512 + 14) / 2.4
    start = matmul_ns + TENSOR_LATENCY
    track = both.tracks[Engine.VECTOR]
    assert track.start.tolist() == pytest.approx([start * NS])
    assert (track.cause[0], track.awaited[0]) == (Engine.TENSOR, 0)
    assert both.seconds == pytest.approx((start + COPY) * NS)


def test_tables_are_loaded_when_the_set_changes_and_while_the_engine_waits() -> None:
    same = run(
        (Engine.SCALAR, activation(0, 1, "exponential"), {}),
        (Engine.SCALAR, activation(2, 3, "log"), {}),
        (Engine.SCALAR, activation(4, 5, "square"), {}),
    )
    assert same.seconds == pytest.approx((TABLE + 3 * 512 / 1.2) * NS)
    other = run(
        (Engine.SCALAR, activation(0, 1, "exponential"), {}),
        (Engine.SCALAR, activation(2, 3, "tanh"), {}),
    )
    assert other.seconds == pytest.approx((2 * TABLE + 2 * 512 / 1.2) * NS)
    waiting = run(
        (Engine.DMA_IN, load(0), {}),
        (Engine.SCALAR, activation(1, 0, "tanh"), {Engine.DMA_IN: 1}),
    )
    loaded = DMA_START + LOAD + DMA_DONE
    assert waiting.seconds == pytest.approx((loaded + 512 / 1.2) * NS)


def test_transfers_of_both_queues_share_the_engines_and_hide_their_latency() -> None:
    assert LOAD > DMA_LEAST
    shared = run(
        (Engine.DMA_IN, load(0), {}),
        (Engine.DMA_IN, load(1), {}),
        (Engine.DMA_OUT, isa.DmaCopy(hbm(), chip(9), 0), {}),
    )
    assert shared.seconds == pytest.approx((DMA_START + 3 * LOAD) * NS)
    assert shared.tracks[Engine.DMA_OUT].cause.tolist() == [DMA_BUSY]


def test_a_short_transfer_has_the_least_time_but_does_not_keep_others_waiting() -> None:
    row = isa.DmaCopy(chip(0, 64), hbm(64), 0)
    short = 8 * 40  # 8 descriptors of 256 B for each engine
    two = run((Engine.DMA_IN, row, {}), (Engine.DMA_IN, row, {}))
    assert two.seconds == pytest.approx((DMA_START + short + DMA_LEAST) * NS)


def test_a_store_begins_after_the_semaphore() -> None:
    store = run(
        (Engine.VECTOR, copy(0, 1), {}),
        (Engine.DMA_OUT, isa.DmaCopy(hbm(), chip(0), 0), {Engine.VECTOR: 1}),
    )
    assert store.seconds == pytest.approx((COPY + VECTOR_LATENCY + DMA_START + LOAD) * NS)


def test_the_ramp_halves_the_rate_of_a_short_burst_only() -> None:
    burst = [(Engine.TENSOR, matmul(0), {})]
    one = (4 * 512 + 14) / 2.4
    assert run(*burst).seconds == pytest.approx(one * NS)
    assert run(*burst, ramp=True).seconds == pytest.approx((one + one) * NS)
    # While the first 3 us pass, half of them are lost; after that nothing is.
    assert run(*burst * 40, ramp=True).seconds == pytest.approx((40 * one + 1500) * NS)


def test_causes_and_order_are_consistent() -> None:
    line = run((Engine.DMA_IN, load(0), {}), (Engine.VECTOR, copy(1, 0), {Engine.DMA_IN: 1}))
    assert line.tracks[Engine.DMA_IN].cause.tolist() == [QUEUE]
    assert line.tracks[Engine.VECTOR].cause.tolist() == [Engine.DMA_IN]


def test_waits_that_are_never_met_are_an_error() -> None:
    with pytest.raises(ArtifactError, match=r"vector\[0\]"):
        run(
            (Engine.VECTOR, copy(0, 1), {Engine.SCALAR: 1}),
            (Engine.SCALAR, activation(0, 1, "exponential"), {Engine.VECTOR: 1}),
        )


def asked_over_and_over(streams: dict[Engine, np.ndarray]) -> dict[Engine, list[float]]:
    """When each record ends, found record by record: all queues are asked after each transfer."""
    ends: dict[Engine, list[float]] = {engine: [] for engine in streams}
    begun, pool = dict.fromkeys(DMA_QUEUES, 0.0), 0.0
    spans = {e: prices(s, e, TRN2) for e, s in streams.items()}
    before = {e: delays(e, s, spans[e], TRN2) for e, s in streams.items()}

    def met(engine: Engine) -> float | None:
        """When the next record's waits are met, if it is known."""
        at = len(ends[engine])
        if at == len(streams[engine]):
            return None
        waits = [
            (e, n) for e, n in zip(ENGINES, streams[engine]["waits"][at].tolist(), strict=True) if n
        ]
        if any(len(ends[e]) < n for e, n in waits):
            return None
        return max((ends[e][n - 1] + latency(e, TRN2) for e, n in waits), default=0.0)

    while True:
        for engine in (*(e for e in streams if e not in DMA_QUEUES),) * len(ENGINES):
            while (known := met(engine)) is not None:
                at, last = len(ends[engine]), (ends[engine] or [0.0])[-1]
                start = max(known, last + before[engine][at])
                ends[engine].append(start + spans[engine][at])
        ready: list[tuple[float, Engine]] = []
        for lane in (e for e in DMA_QUEUES if e in streams):
            if (known := met(lane)) is not None:
                waited = TRN2.dma_start_seconds * (known > 0 or not ends[lane])
                ready.append((max(known + waited, begun[lane]), lane))
        if not ready:
            return ends
        at, queue = min(ready)
        begun[queue] = at
        start = max(begun[queue], pool)
        pool, last = start + spans[queue][len(ends[queue])], (ends[queue] or [0.0])[-1]
        ends[queue].append(max(last, start + max(pool - start, TRN2.dma_transfer_min_seconds)))


@pytest.mark.parametrize("seed", range(12))
def test_queues_that_run_ahead_end_as_if_all_were_asked_after_each_transfer(seed: int) -> None:
    """Random waits for what came earlier in one order of all records, so that nothing is stuck."""
    random = np.random.default_rng(seed)
    made: dict[Engine, list[Record]] = {}
    for _ in range(300):
        engine = Engine(random.choice([e for e in ENGINES if e is not Engine.GPSIMD]))
        tiles = random.integers(0, 12, 2).tolist()
        instruction = {
            Engine.TENSOR: matmul(0),
            Engine.SCALAR: activation(*tiles, "exponential"),
            Engine.DMA_IN: load(tiles[0]),
            Engine.DMA_OUT: isa.DmaCopy(hbm(64), chip(tiles[1], 64), 0),
        }.get(engine, copy(*tiles))
        waits = [
            int(random.integers(0, len(made.get(e, ())) + 1)) * bool(random.random() < 0.2)
            for e in ENGINES
        ]
        waits[engine] = 0
        made.setdefault(engine, []).append(Record(instruction, tuple(waits), 0))
    streams = {engine: encode(records, engine) for engine, records in made.items()}
    line, expected = simulate(streams, TRN2), asked_over_and_over(streams)
    for engine, track in line.tracks.items():
        assert track.stop.tolist() == pytest.approx(expected[engine], rel=1e-12)


def test_fifty_thousand_records_take_a_fraction_of_a_second() -> None:
    """The benchmark has half a million; three seconds for them would be 0.3 here."""
    count = 25_000
    first = encode([Record(copy(0, 1), (0,) * len(ENGINES), 0)], Engine.VECTOR)
    second = encode([Record(matmul(0), (0,) * len(ENGINES), 0)], Engine.TENSOR)
    streams = {Engine.VECTOR: first.repeat(count), Engine.TENSOR: second.repeat(count)}
    streams[Engine.VECTOR]["waits"][:, Engine.TENSOR] = np.arange(1, count + 1)
    streams[Engine.TENSOR]["waits"][4:, Engine.VECTOR] = np.arange(1, count - 3)
    start = time.process_time()
    simulate(streams, TRN2)
    assert time.process_time() - start < 0.6
