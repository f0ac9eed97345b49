"""Scheduling: gaps are filled, nothing overtakes what it depends on, always the same way."""

from __future__ import annotations

from collections import Counter

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Region

from neuronc.backend.allocate import allocate
from neuronc.backend.cost import kernel_seconds
from neuronc.backend.dependences import places_of
from neuronc.backend.emit import Emitted, Sources, emit
from neuronc.backend.kernels import split
from neuronc.backend.schedule import RECORDS_MAX, schedule
from neuronc.backend.select import Select
from neuronc.backend.synchronize import synchronize
from neuronc.dialects.tile import KernelOp
from neuronc.dialects.types import tensor
from neuronc.dtypes import BY_NAME
from neuronc.hardware import TRN2
from neuronc.isa.instructions import Copy, MatMul, Transpose
from neuronc.passes.builder import Builder
from neuronc.passes.operand import hbm

F32 = BY_NAME["f32"]
RUNS = 6


def transposing_loop() -> Emitted:
    """Each run transposes a part of what was loaded, and multiplies by it."""
    body = Block(arg_types=[tensor((128, RUNS * 128), F32), tensor((128, 128), F32)])
    kernel, b = KernelOp.create(regions=[Region(body)]), Builder(body)
    total = b.alloc(128, 128, F32, "psum")
    rows = b.alloc(128, RUNS * 128, F32)
    b.dma(rows.all(), hbm(body.args[0], 0, ((RUNS * 128, 128), (1, RUNS * 128))))
    with b.loop(RUNS) as i:
        turned = b.alloc(128, 128, F32)
        bank = b.alloc(128, 128, F32, "psum")
        b.transpose(bank.all(), rows.at(i * 128, ((1, 128),)))
        b.cast(turned.all(), bank.all())
        b.matmul(total.all(), turned.all(), turned.all(), (0,))
    out = b.alloc(128, 128, F32)
    b.cast(out.all(), total.all())
    b.dma(hbm(body.args[1], 0, ((128, 128), (1, 128))), out.all())
    module = ModuleOp([kernel])
    Select().apply(Context(), module)
    allocate(kernel, TRN2)
    return emit(kernel, Sources())


def seconds(emitted: Emitted) -> float:
    synchronize(emitted)
    return kernel_seconds(split(emitted), TRN2)


def test_transposes_of_the_next_run_fill_the_gaps_of_this_one() -> None:
    before = transposing_loop()
    after = schedule(before, TRN2)
    opcodes: list[int] = after.records["opcode"].tolist()
    firsts = [i for i, code in enumerate(opcodes) if code == Transpose.opcode]
    assert firsts[1] < opcodes.index(MatMul.opcode)
    assert seconds(after) < seconds(transposing_loop())


def test_copies_out_of_psum_go_to_both_engines() -> None:
    after = schedule(transposing_loop(), TRN2)
    copies = after.engines[after.records["opcode"] == Copy.opcode]
    assert len(set(copies.tolist())) == 2


def test_no_record_overtakes_one_that_it_conflicts_with() -> None:
    """Per place, the writes and what lies between two of them are the same before and after."""

    def history(emitted: Emitted) -> list[list[Counter[bytes]]]:
        numbers: list[list[int]] = places_of(emitted).numbers.tolist()
        count = max(map(max, numbers)) + 1
        out: list[list[Counter[bytes]]] = [[Counter()] for _ in range(count)]
        for row, (slots, writes) in enumerate(zip(numbers, emitted.written.tolist(), strict=True)):
            key = emitted.records[row].tobytes()
            for slot, is_write in zip(slots, writes, strict=True):
                if slot < 0:
                    continue
                if is_write:
                    out[slot] += [Counter([key]), Counter()]
                else:
                    out[slot][-1][key] += 1
        return out

    before = transposing_loop()
    assert history(schedule(before, TRN2)) == history(before)


def test_the_same_kernel_is_ordered_the_same_way() -> None:
    one, two = (schedule(transposing_loop(), TRN2).records.tobytes() for _ in range(2))
    assert one == two


def test_a_kernel_beyond_the_limit_keeps_its_order() -> None:
    small = transposing_loop()
    times = RECORDS_MAX // len(small.records) + 1
    many = Emitted(
        np.tile(small.records, times),
        np.tile(small.engines, times),
        np.tile(small.written, (times, 1)),
        (),
    )
    assert schedule(many, TRN2) is many
