"""A legal order of a kernel's records: what the waits allow, and proof that there is one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neuronc.errors import ExecutionError
from neuronc.isa.table import ENGINES, Engine


def legal_order(streams: Mapping[Engine, np.ndarray], where: str) -> list[tuple[Engine, int]]:
    """Run the progress counters: (engine, position in its stream) in an order that may execute.

    Raises:
        ExecutionError: naming the waiters, if the streams deadlock.
    """
    waits = {e: s["waits"].tolist() for e, s in streams.items()}
    done = [0] * len(ENGINES)
    order: list[tuple[Engine, int]] = []
    total = sum(len(w) for w in waits.values())
    while len(order) < total:
        before = len(order)
        for engine, rows in waits.items():
            at = done[engine]
            while at < len(rows) and all(map(int.__ge__, done, rows[at])):
                order.append((engine, at))
                at += 1
                done[engine] = at
        if len(order) == before:
            stuck = [e.name.lower() for e, rows in waits.items() if done[e] < len(rows)]
            problem = f"deadlock: {', '.join(stuck)} wait for each other"
            raise ExecutionError(where, problem, "the file is damaged; compile the model again")
    return order
