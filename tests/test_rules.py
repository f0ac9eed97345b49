"""Fusion by structure: every rule has a case where it fires and one where it must not."""

from __future__ import annotations

from pathlib import Path

import pytest

from neuronc.hardware import DEFAULT_TARGET
from neuronc.passes.rules import RULES, Rule
from neuronc.pipeline import stages
from tests.test_golden import GOLDEN, command

CASES = GOLDEN / "passes"
FUSING = ("fuse", "match")
"""How the passes that make one operation of several are named."""


def _case(rule: Rule, suffix: str) -> Path:
    return CASES / f"{rule.golden}{suffix}.mlir"


@pytest.mark.parametrize("suffix", ["", "-not"], ids=["fires", "must not"])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.golden)
def test_a_rule_fires_in_one_case_and_not_in_the_other(rule: Rule, suffix: str) -> None:
    path = _case(rule, suffix)
    assert path.exists(), f"write {path.name}"
    assert command(path)[0][-1] == rule.step, "the rule's own pass comes last"
    assert rule.fired(path.with_suffix(".expect").read_text()) == (suffix == "")


def test_every_pass_that_fuses_has_rules() -> None:
    steps = {step.name for stage in stages(DEFAULT_TARGET) for step in stage.passes}
    assert {s for s in steps if s.startswith(FUSING)} == {r.step for r in RULES} - {"tile-kernels"}


def test_every_case_where_nothing_may_fire_is_of_a_rule() -> None:
    cases = {path.stem for path in CASES.glob("*-not.mlir")}
    assert cases == {f"{rule.golden}-not" for rule in RULES}
