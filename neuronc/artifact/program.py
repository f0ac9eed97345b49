"""The program section: calls and control flow as little-endian u32 words.

    call   1, kernel, count, buffer...
    while  2, predicate, words of condition, words of body, condition..., body...
    case   3, index, branches, words of each branch..., branch...
    for    4, predicate, trips, words of condition, words of body, condition..., body...

A region is the words of its steps, one after the other; its length comes before it.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from neuronc.artifact.codec import DAMAGED
from neuronc.artifact.model import Call, Case, Step, While
from neuronc.errors import ArtifactError

DEPTH_MAX = 64
"""Nesting of regions; a reader that recurses needs a bound."""


class StepKind(IntEnum):
    """The first word of a step."""

    CALL = 1
    WHILE = 2
    CASE = 3
    FOR = 4
    """A while that is known to run `trips` times."""


def encode_program(program: tuple[Step, ...]) -> bytes:
    """Encode the steps as words."""
    return np.array(_words(program), "<u4").tobytes()


def decode_program(data: memoryview, where: str) -> tuple[Step, ...]:
    """Decode the steps.

    Raises:
        ArtifactError: the words are no program.
    """
    if len(data) % 4:
        raise ArtifactError(
            where, f"{len(data)} bytes are not a whole number of words", DAMAGED, code="NRC-0406"
        )
    return _Cursor(np.frombuffer(data, "<u4").tolist(), where).region(0)


def _words(steps: tuple[Step, ...]) -> list[int]:
    words: list[int] = []
    for step in steps:
        match step:
            case Call(kernel, buffers):
                words += [StepKind.CALL, kernel, len(buffers), *buffers]
            case While(condition, predicate, body, trips):
                first, second = _words(condition), _words(body)
                head = [StepKind.WHILE, predicate]
                if trips is not None:
                    head = [StepKind.FOR, predicate, trips]
                words += [*head, len(first), len(second), *first, *second]
            case Case(index, branches):
                parts = [_words(branch) for branch in branches]
                words += [StepKind.CASE, index, len(parts), *map(len, parts)]
                words += [word for part in parts for word in part]
    return words


class _Cursor:
    """Takes words off the front; every length is checked against what is left."""

    def __init__(self, words: list[int], where: str, at: int = 0, stop: int | None = None) -> None:
        self.words = words
        self.where = where
        self.at = at
        self.stop = len(words) if stop is None else stop

    def fail(self, problem: str) -> ArtifactError:
        return ArtifactError(f"{self.where}+{4 * self.at:#x}", problem, DAMAGED, code="NRC-0406")

    def take(self, count: int) -> list[int]:
        if count > self.stop - self.at:
            raise self.fail(f"{count} words are needed, {self.stop - self.at} are left")
        self.at += count
        return self.words[self.at - count : self.at]

    def region(self, depth: int) -> tuple[Step, ...]:
        """Decode all words up to `stop`."""
        if depth > DEPTH_MAX:
            raise self.fail(f"regions nest deeper than {DEPTH_MAX}")
        steps: list[Step] = []
        while self.at < self.stop:
            steps.append(self.step(depth))
        return tuple(steps)

    def step(self, depth: int) -> Step:
        kind, first = self.take(2)
        if kind == StepKind.CALL:
            (count,) = self.take(1)
            return Call(first, tuple(self.take(count)))
        if kind in (StepKind.WHILE, StepKind.FOR):
            trips = self.take(1)[0] if kind == StepKind.FOR else None
            condition, body = self.nested(self.take(2), depth)
            return While(condition, first, body, trips)
        if kind == StepKind.CASE:
            (count,) = self.take(1)
            return Case(first, self.nested(self.take(count), depth))
        raise self.fail(f"{kind} is not a kind of step")

    def nested(self, lengths: list[int], depth: int) -> tuple[tuple[Step, ...], ...]:
        regions: list[tuple[Step, ...]] = []
        for length in lengths:
            start = self.at
            self.take(length)
            inner = _Cursor(self.words, self.where, start, self.at)
            regions.append(inner.region(depth + 1))
        return tuple(regions)
