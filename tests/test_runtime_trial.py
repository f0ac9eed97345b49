"""Which way a kernel runs: what its first runs took decides, where nothing else does."""

from __future__ import annotations

import pytest

from neuronc.runtime import trial as trial_module
from neuronc.runtime.schedule import Task
from neuronc.runtime.trial import GAIN_MIN, TRIALS, Bound, Trial
from neuronc.runtime.workers import Tasks, Team


def test_both_ways_are_tried_in_turns_and_the_faster_one_stays() -> None:
    for alone, shared in ((1.0, 2.0), (2.0, 1.0), (1.0, 1.0 / GAIN_MIN + 1e-3)):
        trial = Trial()
        ways: list[bool] = []
        while not trial.is_over:
            ways.append(trial.is_shared)
            trial.note(trial.is_shared, shared if trial.is_shared else alone)
        assert ways == [False, True] * TRIALS
        assert trial.is_shared == (alone >= GAIN_MIN * shared)


def test_the_best_run_of_each_way_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_module, "TRIALS", 2)
    trial = Trial()
    for seconds in (9.0, 9.0, 2.0, 1.0):
        trial.note(trial.is_shared, seconds)
    assert trial.seconds == [2.0, 1.0]
    assert trial.is_shared


@pytest.mark.parametrize(("seconds", "sure"), [(1e-3, True), (1e-6, False)])
def test_long_calls_that_are_independent_are_not_tried(seconds: float, sure: bool) -> None:
    apart = Trial.of([Task([at], [], seconds) for at in range(8)])
    chain = Trial.of([Task([at], [at - 1] if at else [], seconds) for at in range(8)])
    assert (apart.is_over, chain.is_over) == (sure, False)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_call_is_made_once_a_run(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    monkeypatch.setattr(trial_module, "TRIALS", 1)
    made: list[int] = []
    given = [Task([0], []), Task([1, 2], [0]), Task([3], [1])]
    calls = [lambda at=at: made.append(at) for at in range(4)]
    bound, team = Bound(Tasks(given, calls, workers), Trial()), Team(workers)
    for _ in range(4):
        bound.run(team)
    assert made == [0, 1, 2, 3] * 4
