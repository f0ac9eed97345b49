"""Pages of documentation as things that run.

A fenced block means, by its language and first line:

    any, `# NAME` or `// NAME`    the file NAME, written into the page's directory
    python                        a script, run there
    console                       `$ COMMAND` lines, run there; what follows is their output
    diff                          a change of the source, applied to a copy of it there
    bash                          what a person types elsewhere: only known to exist

Blocks happen in order. A page with a change has the whole source in its directory, and its
commands use that.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "examples" / "README.md"])
PAGES = [path for path in DOCUMENTS if "```console" in path.read_text()]
"""The documents that have commands."""
SCRIPTS = [ROOT / "docs" / "pytorch.md", ROOT / "docs" / "torch_compile.md"]
"""Those whose scripts stand for themselves."""
SECONDS_MAX = 300
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"(?:#|//) ([\w-]+\.\w+)\n")
_SIZE = r"\d[\d.]*(?:e[+-]?\d+)?"
_LOOSE = (
    (re.compile(rf"{_SIZE} (?:ns|us|ms|s)\b"), "TIME"),
    (re.compile(rf"{_SIZE} (?:bytes|[KMGT]iB)\b"), "SIZE"),
    (re.compile(rf"{_SIZE}(?: [kMGT]\b)?"), "N"),
    (re.compile(r"[ \t]+"), " "),
)


@dataclass(frozen=True)
class Block:
    """A fenced block, and where its text is in the page."""

    language: str
    text: str
    start: int

    @property
    def file(self) -> str:
        """The file that the block is, if it is one."""
        match = _FILE.match(self.text)
        return match[1] if match else ""

    @property
    def commands(self) -> Iterator[tuple[str, str]]:
        """Commands of a console with the output that the page gives."""
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page."""
    return [Block(m[1], m[2], m.start(2)) for m in _BLOCK.finditer(page)]


class Runner:
    """Runs the blocks of one page in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._source = ROOT
        programs = directory / ".bin"
        programs.mkdir()
        neuronc = programs / "neuronc"
        neuronc.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m neuronc "$@"\n')
        neuronc.chmod(0o755)
        self._path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"

    def run(self, block: Block) -> str:
        """Do what a block says; returns its text, for a console with the output it has now."""
        if block.file:
            (self._directory / block.file).write_text(block.text)
        elif block.language == "python":
            self._command(f"python - <<'END'\n{block.text}\nEND")
        elif block.language == "diff":
            self._apply(block.text)
        elif block.language == "console":
            return "".join(f"$ {c}\n{self._command(c)}" for c, _ in block.commands)
        return block.text

    def script(self, block: Block) -> None:
        """Run a block of Python, from its file if it is one."""
        self.run(block)
        if block.file:
            self._command(f"python {block.file}")

    def _command(self, command: str) -> str:
        """What a command prints; it must succeed, or print an error of neuronc's."""
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")},
            "PATH": self._path,
            "PYTHONPATH": str(self._source),
            "COLUMNS": "100",
        }
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self._directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
        output = done.stdout.replace(f"{self._directory}/", "")
        assert done.returncode == 0 or ": error:" in output, f"$ {command}\n{output}"
        return output

    def _apply(self, change: str) -> None:
        """Change a copy of the source, which later commands then use."""
        if self._source is ROOT:
            self._source = self._directory
            unwanted = shutil.ignore_patterns("__pycache__")
            for name in ("neuronc", "tests", "docs"):
                shutil.copytree(ROOT / name, self._directory / name, ignore=unwanted)
            shutil.copy(ROOT / "pyproject.toml", self._directory)
        done = subprocess.run(
            ["git", "apply", "--verbose", "-"],
            cwd=self._directory,
            input=change,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def prose(page: str) -> str:
    """A page without its blocks."""
    return _BLOCK.sub("", page)


def loose(text: str) -> str:
    """Text without what another machine, or a better compiler, may change: numbers and spaces."""
    for pattern, name in _LOOSE:
        text = pattern.sub(name, text)
    return text
