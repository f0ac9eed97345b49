"""A legal order of a kernel's records: what the waits allow, and proof that there is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random

import numpy as np

from neuronc.errors import ExecutionError
from neuronc.isa.table import ENGINES, Engine


def legal_order(
    streams: Mapping[Engine, np.ndarray], where: str, seed: int | None = None
) -> list[tuple[Engine, int]]:
    """Run the progress counters: (engine, position in its stream) in an order that may execute.

    Without a seed each engine runs as far as it can before the next, which keeps the order of
    binding; with one, engines take turns of random length, to show that the order does not matter.

    Raises:
        ExecutionError: naming the waiters, if the streams deadlock.
    """
    waits = {e: s["waits"].tolist() for e, s in streams.items()}
    done = [0] * len(ENGINES)
    order: list[tuple[Engine, int]] = []
    total = sum(len(w) for w in waits.values())
    turns = _turns(list(waits), total, seed)
    while len(order) < total:
        before = len(order)
        for engine, longest in next(turns):
            rows, at = waits[engine], done[engine]
            stop = min(len(rows), at + longest)
            while at < stop and all(map(int.__ge__, done, rows[at])):
                order.append((engine, at))
                at += 1
                done[engine] = at
        if len(order) == before:
            stuck = [e.name.lower() for e, rows in waits.items() if done[e] < len(rows)]
            problem = f"deadlock: {', '.join(stuck)} wait for each other"
            raise ExecutionError(
                where, problem, "the file is damaged; compile the model again", code="NRC-0506"
            )
    return order


def _turns(
    engines: list[Engine], total: int, seed: int | None
) -> Iterator[list[tuple[Engine, int]]]:
    """Rounds of turns: the engines, and how many records each may run at most."""
    chance = Random(seed)
    while True:
        if seed is None:
            yield [(engine, total) for engine in engines]
        else:
            shuffled = chance.sample(engines, len(engines))
            yield [(engine, chance.randint(1, 8)) for engine in shuffled]
