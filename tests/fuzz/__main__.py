"""Fuzz for a while: `python -m tests.fuzz --minutes 30 --seed 1`."""

from __future__ import annotations

import argparse
import re
import sys
import time
import traceback
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, reject, seed, settings
from hypothesis.internal.conjecture import engine

from tests.fuzz.scope import Program
from tests.fuzz.strategy import programs
from tests.fuzz.trial import trial

BATCH = 100
"""Programs of one hypothesis run, which has one seed."""
SHRINK_SECONDS = 40
"""How long a failure is made smaller."""


class Fuzzer:
    """Keeps what was found: one smallest program for each kind of failure."""

    def __init__(self, folder: Path, steps: int, shrink: bool) -> None:
        self.folder, self.steps, self.shrink = folder, steps, shrink
        self.tried = 0
        self.found: dict[str, int] = {}

    def batch(self, number: int, until: float) -> None:
        """One seed's programs; a new failure is shrunk and written down."""
        phases = (Phase.generate, Phase.shrink) if self.shrink else (Phase.generate,)
        self.last: tuple[str, Program, str] | None = None

        @seed(number)
        @settings(
            max_examples=BATCH,
            phases=phases,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )
        @given(programs(self.steps))
        def attempt(program: Program) -> None:
            self._attempt(program, until)

        try:
            attempt()
        except Exception:
            if self.last is None:
                raise
            self._record(number, *self.last)

    def _attempt(self, program: Program, until: float) -> None:
        if time.monotonic() > until and self.last is None:
            reject()
        self.tried += 1
        (self.folder / "current.mlir").write_text(program.text)
        try:
            trial(program)
        except Exception as error:
            signature = signature_of(error)
            if signature in self.found:
                self.found[signature] += 1
                return
            self.last = (signature, program, traceback.format_exc(limit=-6))
            raise

    def _record(self, number: int, signature: str, program: Program, trace: str) -> None:
        self.found[signature] = 1
        path = self.folder / f"seed{number}.mlir"
        note = "\n".join(f"// {line}" for line in trace.splitlines())
        data = "\n".join(f"// {a.value.name}: {a.data}" for a in program.arguments)
        path.write_text(f"{program.text}\n{data}\n{note}\n")
        print(f"seed {number}: {signature}\n  {path}", flush=True)


def signature_of(error: Exception) -> str:
    """What identifies a failure: the kind of error and where in neuronc it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "/neuronc/" in f.filename]
    place = f"{Path(own[-1].filename).name}:{own[-1].name}" if own else ""
    return f"{type(error).__name__} {place} {re.sub(r'[0-9.,()%-]+', '', str(error))[:60]}".strip()


def main() -> int:
    """Exit with 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to go on")
    parser.add_argument("--seed", type=int, default=0, help="the first batch's seed")
    parser.add_argument("--steps", type=int, default=24, help="most rules of a program")
    parser.add_argument("--out", type=Path, default=Path("fuzz-failures"), help="where to write")
    parser.add_argument("--no-shrink", action="store_true", help="keep failures as they are found")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    engine.MAX_SHRINKING_SECONDS = SHRINK_SECONDS
    fuzzer = Fuzzer(options.out, options.steps, not options.no_shrink)
    start = time.monotonic()
    until = start + 60 * options.minutes
    number = options.seed
    while time.monotonic() < until:
        fuzzer.batch(number, until)
        number += 1
    minutes = (time.monotonic() - start) / 60
    print(f"{fuzzer.tried} programs in {minutes:.1f} minutes, {len(fuzzer.found)} kinds of failure")
    return int(bool(fuzzer.found))


if __name__ == "__main__":
    sys.exit(main())
