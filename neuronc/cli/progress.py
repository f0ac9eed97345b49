"""Show what the compiler does, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.status import Status
from xdsl.dialects.builtin import ModuleOp

from neuronc.pipeline import Observer, ignore
from neuronc.units import format_seconds


@contextmanager
def watch(quiet: bool, verbose: bool) -> Generator[Observer]:
    """An observer that tells what ran last: live on a terminal, a line a pass if `verbose`."""
    console = Console(stderr=True, highlight=False)
    if quiet or not (verbose or console.is_terminal):
        yield ignore
    elif verbose:
        yield _print_line
    else:
        with console.status("loading") as status:
            yield _Live(status)


@dataclass(frozen=True)
class _Live:
    """Keeps one line of the terminal up to date."""

    status: Status

    def __call__(self, stage: str, name: str, seconds: float, module: ModuleOp) -> None:
        self.status.update(f"{stage}: {name} took {format_seconds(seconds)}")


def _print_line(stage: str, name: str, seconds: float, module: ModuleOp) -> None:
    print(f"{stage:<12}{name:<16}{format_seconds(seconds)}", file=sys.stderr, flush=True)
