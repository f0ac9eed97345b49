"""What the fuzzer found stays fixed, and a few new programs on every run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.found import found, headline, load
from tests.fuzz.scope import Program
from tests.fuzz.strategy import programs
from tests.fuzz.trial import trial

EXAMPLES = 400 if "CI" in os.environ else 15


@pytest.mark.parametrize("path", found(), ids=lambda path: path.stem)
def test_what_was_found_stays_fixed(path: Path) -> None:
    assert headline(path)
    trial(load(path))


@seed(2026)
@settings(
    max_examples=EXAMPLES,
    phases=(Phase.generate,),
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(programs())
def test_random_programs_agree_with_xla(program: Program) -> None:
    trial(program)
