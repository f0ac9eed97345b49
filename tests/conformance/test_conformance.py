"""The corpus, where it is: a sample here, the whole when CI is set."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.conformance.__main__ import run
from tests.conformance.archive import SHARED, loader, read_cases
from tests.conformance.coverage import as_json
from tests.conformance.outcome import PASS, Attempt
from tests.conformance.relaxed import is_near
from tests.conformance.report import NOTES, coverage_of, document, summary

ARCHIVE = SHARED / "cases.zip"
EVERY = 20
"""The sample: one case in so many."""

pytestmark = pytest.mark.skipif(not ARCHIVE.exists(), reason="the corpus is not here")


def test_a_sample_of_the_corpus_holds() -> None:
    sample = [c for i, c in enumerate(read_cases(ARCHIVE)) if i % EVERY == 0]
    outcomes = [Attempt(case, ARCHIVE).outcome() for case in sample]
    known = NOTES.read_text()
    assert [(o.id, o.message) for o in outcomes if o.status != PASS and o.id not in known] == []
    assert "stablehlo.add" in coverage_of(outcomes)
    assert f"{len(sample)}" in document(outcomes)


@pytest.mark.skipif("CI" not in os.environ, reason="takes a minute")
def test_the_whole_corpus_holds() -> None:
    outcomes = run(ARCHIVE)
    known = NOTES.read_text()
    assert [(o.id, o.message) for o in outcomes if o.status != PASS and o.id not in known] == []


def test_outcomes_tell_engines_apart() -> None:
    (case,) = read_cases(ARCHIVE, "testdata.dot_general_int8_4_3_float64_3_6")
    outcome = Attempt(case, ARCHIVE).outcome()
    assert outcome.status == PASS
    engines = coverage_of([outcome])
    assert engines["stablehlo.dot_general"] == {"f64": ["library"]}
    assert engines["stablehlo.convert"]["i8"] == ["library"]
    assert summary([outcome], 1.0)["strict"] == 1


def test_coverage_is_sorted_by_engine() -> None:
    assert as_json({"a": {"f32": {"library", "dma", "tensor"}}}) == {
        "a": {"f32": ["tensor", "dma", "library"]}
    }


def test_the_relaxed_tier_knows_sums() -> None:
    """3 ulp for any op; more only for sums, in proportion to their terms."""
    (case,) = read_cases(ARCHIVE, "testdata.reduce_sum_complex64_2_3")
    off = [w * np.float32(1 + 2**-22) for w in case.expected]
    far = [w * np.float32(1 + 1e-3) for w in case.expected]
    attempt = Attempt(case, ARCHIVE)
    ulp = loader(ARCHIVE).ulp_distance
    assert is_near(case, off, attempt.run, ulp)
    assert not is_near(case, far, attempt.run, ulp)
