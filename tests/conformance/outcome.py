"""One case from text to verdict: compile, write the artifact, read it back, run, compare."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from neuronc.artifact.container import read, to_bytes
from neuronc.errors import NeuroncError
from neuronc.pipeline import compile_artifact
from neuronc.runtime.program import Program
from tests.conformance.archive import Array, Case, loader, read_cases
from tests.conformance.coverage import Seen, ops_seen
from tests.conformance.relaxed import is_near

PASS, WRONG, REFUSED, CRASHED = "pass", "wrong", "refused", "crashed"


@dataclass(frozen=True)
class Outcome:
    """What became of one case."""

    id: str
    suite: str
    ops: tuple[str, ...]
    status: str
    message: str
    near: bool
    """Whether a wrong result is within the relaxed tier."""
    seconds: float
    seen: tuple[Seen, ...]


@dataclass(frozen=True)
class Attempt:
    """A case being tried."""

    case: Case
    archive: Path

    @cached_property
    def program(self) -> Program:
        """The program as loaded from the artifact's bytes; nothing else is kept."""
        return Program(read(to_bytes(compile_artifact(self.case.program, self.case.id))))

    def run(self, inputs: list[Array]) -> Sequence[Array]:
        """Run on other inputs."""
        return self.program(*inputs)

    def outcome(self) -> Outcome:
        """Try it; no error escapes."""
        start = time.perf_counter()
        seen: tuple[Seen, ...] = ()
        near = False
        try:
            outputs = list(self.run(self.case.inputs))
            messages = self.case.check(outputs)
            status, message = (WRONG, messages[0]) if messages else (PASS, "")
            seen = tuple(ops_seen(self.case.program, self.case.id, self.program.artifact))
            if messages:
                near = is_near(self.case, outputs, self.run, loader(self.archive).ulp_distance)
        except NeuroncError as error:
            status, message = REFUSED, str(error)
        except Exception:
            status, message = CRASHED, traceback.format_exc(limit=-2)
        seconds = time.perf_counter() - start
        case = self.case
        return Outcome(case.id, case.suite, case.ops, status, message, near, seconds, seen)


def run_share(archive: Path, only: str, share: int, shares: int) -> list[Outcome]:
    """Every `shares`-th case, from number `share` on."""
    chosen = enumerate(read_cases(archive, only))
    return [Attempt(case, archive).outcome() for i, case in chosen if i % shares == share]
