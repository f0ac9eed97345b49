"""Standard input and output where a file's name is `-` or not given."""

from __future__ import annotations

import sys
from pathlib import Path

from neuronc.artifact.output import new_file

STDIN = "-"


def program_of(argument: str) -> tuple[Path | bytes, str]:
    """The program that an argument names, and what messages call it."""
    if argument == STDIN:
        return sys.stdin.buffer.read(), "<stdin>"
    return Path(argument), argument


def write_text(text: str, output: Path | None) -> None:
    """Write to a file, whole or not at all, or print."""
    if output is None:
        sys.stdout.write(text)
        return
    with new_file(output) as file:
        file.write(text.encode())
