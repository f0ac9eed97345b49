"""Derive the waits: every access that conflicts with an earlier one waits for it, once.

Each engine counts its finished instructions. A record waits for `count[engine] >= n` where it
reads what another engine wrote, or writes what another read or wrote. A wait is dropped when an
earlier one implies it: finishing an instruction implies all that it waited for.
"""

from __future__ import annotations

from operator import gt

import numpy as np

from neuronc.backend.dependences import Numbers, dependences
from neuronc.backend.emit import Emitted
from neuronc.isa.table import ENGINES

_Vector = list[int]


def synchronize(emitted: Emitted) -> None:
    """Fill in the waits of every record, in place."""
    needed = _needed(emitted)
    waits = np.zeros(needed.shape, np.uint32)
    needs: list[_Vector] = needed.tolist()
    known: list[_Vector] = [[0] * len(ENGINES) for _ in ENGINES]
    implied: list[list[_Vector]] = [[[0] * len(ENGINES)] for _ in ENGINES]
    engines: list[int] = emitted.engines.tolist()
    for row, engine in enumerate(engines):
        have = known[engine]
        if any(map(gt, needs[row], have)):
            known[engine], awaited = _await(have, needs[row], implied)
            for other, count in awaited.items():
                waits[row, other] = count
        implied[engine].append(known[engine])
    emitted.records["waits"] = waits


def _await(
    known: _Vector, needed: _Vector, implied: list[list[_Vector]]
) -> tuple[_Vector, dict[int, int]]:
    """What an engine knows after its waits, and which of the needed waits it must do.

    `implied[engine][n]` is what has happened once that engine has finished n instructions.
    """
    awaited: dict[int, int] = {}
    wanted = [(n, other) for other, n in enumerate(needed) if n > known[other]]
    if len(wanted) > 1:
        wanted.sort(reverse=True)
    for count, other in wanted:
        if known[other] < count:
            awaited[other] = count
            after = implied[other][count]
            known = [a if a > b else b for a, b in zip(known, after, strict=True)]
            known[other] = max(known[other], count)
    for other, count in list(awaited.items()) if len(awaited) > 1 else ():
        if any(implied[e][n][other] >= count for e, n in awaited.items() if e != other):
            del awaited[other]
    return known, awaited


def _needed(emitted: Emitted) -> Numbers:
    """[records, engines]: how many of each other engine's records each record has to see."""
    pairs, engines = dependences(emitted), emitted.engines
    position = np.zeros(len(engines), np.int64)
    for engine in ENGINES:
        mine = engines == engine
        position[mine] = np.arange(1, int(mine.sum()) + 1)
    needed = np.zeros((len(engines), len(ENGINES)), np.int64)
    apart = engines[pairs.earlier] != engines[pairs.later]
    earlier, later = pairs.earlier[apart], pairs.later[apart]
    np.maximum.at(needed, (later, engines[earlier]), position[earlier])
    return needed
