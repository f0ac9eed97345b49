"""Where a sequence repeats itself: the layers of an unrolled network."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

REPEATED_MIN = 3
"""Tokens that a repeat must cover: two equal ones in a row are no layers."""


@dataclass(frozen=True)
class Repeat:
    """`count` equal runs of `period` tokens from `start`; it could start up to `slack` later."""

    start: int
    period: int
    count: int
    slack: int

    @property
    def stop(self) -> int:
        """The end of the last run."""
        return self.start + self.period * self.count


def cuts(tokens: Sequence[Hashable], weight: Callable[[int], int]) -> list[int]:
    """Positions that part a sequence into its repeated runs and what is between them.

    Where runs could as well start a little later, they start where `weight(position)`, what
    crosses the cut there, is least.
    """
    numbers = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    found = np.array([numbers[t] for t in tokens], np.int64)
    return sorted({0, len(tokens), *_cuts(found, 0, weight)})


def _cuts(tokens: np.ndarray, base: int, weight: Callable[[int], int]) -> Iterator[int]:
    best = longest_repeat(tokens)
    if best is None or best.period * best.count < REPEATED_MIN:
        return
    shift = min(range(best.slack + 1), key=lambda s: weight(base + best.start + s))
    start, stop = best.start + shift, best.stop + shift
    yield from range(base + start, base + stop + 1, best.period)
    yield from _cuts(tokens[:start], base, weight)
    yield from _cuts(tokens[stop:], base + stop, weight)


def longest_repeat(tokens: np.ndarray) -> Repeat | None:
    """The repeat that covers most tokens, with the shortest period; None if nothing repeats."""
    best: Repeat | None = None
    for period in range(1, len(tokens) // 2 + 1):
        if best is not None and len(tokens) - len(tokens) % period <= best.count * best.period:
            continue
        same = np.concatenate([[False], tokens[period:] == tokens[:-period], [False]])
        edges = np.flatnonzero(np.diff(same.astype(np.int8)))
        for start, stop in edges.reshape(-1, 2).tolist():
            count, slack = divmod(stop - start + period, period)
            if count > 1 and (best is None or count * period > best.count * best.period):
                best = Repeat(start, period, count, slack)
    return best
