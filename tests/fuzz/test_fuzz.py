"""What the fuzzer found stays fixed, and a few new programs on every run."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import FlakyStrategyDefinition

from tests.fuzz.found import found, headline, load
from tests.fuzz.noise import noisy
from tests.fuzz.oracle import compile_program
from tests.fuzz.scope import Program
from tests.fuzz.strategy import programs
from tests.fuzz.trial import trial

EXAMPLES = 400 if "CI" in os.environ else 15
SECONDS = 25
"""After so long the random programs end, in the middle of one if need be."""


class Late(BaseException):
    """The time is up. Not an Exception, so that neither a trial nor hypothesis catches it."""


def within(seconds: float, run: Callable[[], None]) -> bool:
    """Run something until it ends or the time is up; whether it ended."""
    late = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal late
        late = True
        raise Late

    before = signal.signal(signal.SIGALRM, stop)
    # Again and again: Python drops what is raised inside a finaliser.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        run()
    except (Late, FlakyStrategyDefinition):
        # Late in the middle of drawing a program looks to hypothesis as if it were another program.
        if not late:
            raise
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return True


@pytest.mark.parametrize("path", found(), ids=lambda path: path.stem)
def test_what_was_found_stays_fixed(path: Path) -> None:
    assert headline(path)
    trial(load(path))


def test_random_programs_agree_with_xla() -> None:
    tried = 0

    @seed(2026)
    @settings(
        max_examples=EXAMPLES,
        phases=(Phase.generate,),
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(programs())
    def attempt(program: Program) -> None:
        nonlocal tried
        trial(program)
        tried += 1

    within(SECONDS, attempt)
    assert tried > 0


def test_the_time_of_random_programs_is_bounded() -> None:
    def forever() -> None:
        @settings(max_examples=10**6, deadline=None, database=None)
        @given(programs(2))
        def attempt(program: Program) -> None:
            del program

        attempt()

    assert not within(0.5, forever)
    assert within(5, lambda: None)


def test_noise_moves_rounded_values_only() -> None:
    text = """func.func @main(%a1: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>) {
%e2 = "stablehlo.sine"(%a1) : (tensor<3xf32>) -> (tensor<3xf32>)
%v3 = "stablehlo.negate"(%a1) : (tensor<3xf32>) -> (tensor<3xf32>)
"func.return"(%e2, %v3) : (tensor<3xf32>, tensor<3xf32>) -> ()
}
"""
    x = np.array([1.0, 2.0, 3.0])
    run = compile_program(noisy(text))
    first, second = run([x, np.float64(0)]), run([x, np.float64(1)])
    assert np.array_equal(first[1], -x)
    assert np.array_equal(second[1], -x)
    for result in (first[0], second[0]):
        apart = np.abs(result / np.sin(x) - 1)
        # At most one eps of float32, and not nothing.
        assert np.all((apart > 0) & (apart <= 1.2e-7))
    assert not np.array_equal(first[0], second[0])
