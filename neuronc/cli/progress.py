"""Show what the compiler does, on a terminal only: the step that runs, and kernel i of n."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.status import Status
from xdsl.dialects.builtin import ModuleOp

from neuronc.pipeline import Observer, Progress, ignore, silent
from neuronc.units import format_seconds


@dataclass(frozen=True)
class Watch:
    """What is called while the compiler runs."""

    observe: Observer = ignore
    """After each pass."""
    progress: Progress = silent
    """Before each pass, and before each kernel."""


@contextmanager
def watch(quiet: bool, verbose: bool) -> Generator[Watch]:
    """Tell what runs: live on a terminal, a line a pass if `verbose`, else nothing."""
    console = Console(stderr=True, highlight=False)
    if quiet or not (verbose or console.is_terminal):
        yield Watch()
    elif verbose:
        yield Watch(observe=_print_line)
    else:
        with console.status("loading") as status:
            yield Watch(progress=_Live(status))


@dataclass(frozen=True)
class _Live:
    """Keeps one line of the terminal up to date."""

    status: Status

    def __call__(self, what: str, number: int, total: int) -> None:
        self.status.update(f"{what}, kernel {number} of {total}" if total else what)


def _print_line(stage: str, name: str, seconds: float, module: ModuleOp) -> None:
    print(f"{stage:<12}{name:<18}{format_seconds(seconds)}", file=sys.stderr, flush=True)
