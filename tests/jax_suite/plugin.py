"""The plugin of pytest that runs one file of JAX's tests, and writes what each came to."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.jax_suite.record import (
    BOTH,
    CRASHED,
    NONE,
    PART,
    RIGHT,
    SKIPPED,
    SLOW,
    WRONG,
    Record,
    append,
    read,
)
from tests.jax_suite.substitute import TALLY, install

VARIABLE = "NEURONC_JAX_SUITE"
"""The variable of the environment that holds the options as JSON."""


class TooLong(BaseException):
    """The time limit; no test catches it."""


@dataclass(frozen=True)
class Options:
    """What the driver asks for."""

    records: str
    sample: int
    """How many tests; all if there are fewer, or if it is 0."""
    seed: int
    limit_seconds: int
    judge: bool
    """Whether to try on XLA alone what is wrong so far, instead of what was not tried."""


OPTIONS = Options(**json.loads(os.environ[VARIABLE]))
RECORDS = Path(OPTIONS.records)
if not OPTIONS.judge:
    install()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The sample, without what is recorded already; or what is wrong."""
    done = read(RECORDS)
    if OPTIONS.judge:
        items[:] = [i for i in items if i.nodeid in done and done[i.nodeid].status == WRONG]
        return
    if OPTIONS.sample and len(items) > OPTIONS.sample:
        items[:] = random.Random(OPTIONS.seed).sample(items, OPTIONS.sample)
    items[:] = [item for item in items if item.nodeid not in done]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Limit the time, and write the record."""
    if not OPTIONS.judge:
        append(RECORDS, Record(item.nodeid, CRASHED))
    TALLY.clear()
    _reports.clear()
    start = time.perf_counter()
    result = yield
    status, detail = _outcome()
    seconds = round(time.perf_counter() - start, 2)
    found = Record(
        item.nodeid, status, seconds, TALLY.programs, tuple(dict.fromkeys(TALLY.refused)), detail
    )
    if not OPTIONS.judge:
        append(RECORDS, found)
    elif status == WRONG:
        append(RECORDS, Record(item.nodeid, BOTH, seconds, detail=detail))
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Stop a test that takes too long, as soon as Python gets to run."""

    def stop(*_: object) -> None:
        raise TooLong(f"not done in {OPTIONS.limit_seconds} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(OPTIONS.limit_seconds)
    try:
        return (yield)
    except TooLong as error:
        pytest.fail(f"TooLong: {error}", pytrace=False)
    finally:
        signal.alarm(0)


_reports: list[pytest.TestReport] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Of setting up, the call, what is in it, and tearing down."""
    _reports.append(report)


def _outcome() -> tuple[str, str]:
    failed = [report.longreprtext for report in _reports if report.failed]
    if failed:
        return SLOW if "TooLong" in failed[0] else WRONG, failed[0][-3000:]
    if any(report.skipped for report in _reports if report.when != "teardown"):
        return SKIPPED, ""
    if TALLY.refused:
        return PART, ""
    return RIGHT if TALLY.programs else NONE, ""
