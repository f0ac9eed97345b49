"""The command line: parse, call one function, print.

A verb is a module of this package with its help, its options and `run`; only the verb that is
asked for is imported, so that running a model needs nothing of the compiler.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from argparse import (
    REMAINDER,
    ArgumentParser,
    ArgumentTypeError,
    Namespace,
    RawDescriptionHelpFormatter,
)
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from neuronc.collector import uncollected
from neuronc.errors import NeuroncError
from neuronc.version import VERSION

VERBS = {
    "compile": "compile a StableHLO program to an artifact",
    "run": "run an artifact on arrays",
    "inspect": "show what an artifact holds and costs",
    "profile": "show where the time goes on the target, and write a trace",
    "cache": "look into a directory of compiled models",
    "disasm": "print the instructions of an artifact",
    "verify": "check every byte of an artifact",
    "check": "say everything that keeps a program from compiling",
    "explain": "explain the code of an error",
    "opt": "run single passes on a program",
    "ops": "list the operations, and what runs them",
    "golden": "record a reference's outputs, and check against them",
}


class Verb(Protocol):
    """What the module of a verb has; its docstring is the verb's help."""

    __doc__: str | None

    @staticmethod
    def configure(parser: ArgumentParser) -> None:
        """Add the options."""
        ...

    @staticmethod
    def run(args: Namespace) -> int | None:
        """Do it, and print; returns the exit status if it is not 0.

        An ArgumentTypeError says that the options do not go together.
        """
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, or 1 for an error of the user's."""
    words = sys.argv[1:] if argv is None else argv
    chosen = _parser().parse_args(words)
    with uncollected():
        verb = cast(Verb, import_module(f"neuronc.cli.{chosen.verb}"))
    # What was imported stays; the collector need not look at it again.
    gc.freeze()
    parser = ArgumentParser(
        prog=f"neuronc {chosen.verb}",
        description=verb.__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    verb.configure(parser)
    args = parser.parse_args(chosen.words)
    try:
        return _run(verb, args)
    except ArgumentTypeError as error:
        parser.error(str(error))


def command() -> int:
    """Run one command as a process of its own, whose end frees everything at once."""
    gc.disable()
    atexit.register(gc.freeze)
    return main()


def _parser() -> ArgumentParser:
    verbs = "\n".join(f"  {name:<10}{text}" for name, text in VERBS.items())
    parser = ArgumentParser(
        prog="neuronc",
        description="Compile StableHLO for Neuron-like accelerators, and run what was compiled.",
        epilog=f"verbs:\n{verbs}\n\n`neuronc VERB --help` explains a verb, with examples.",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"neuronc {VERSION}")
    parser.add_argument("verb", choices=VERBS, metavar="VERB", help="what to do")
    parser.add_argument("words", nargs=REMAINDER, metavar="...", help="its arguments")
    return parser


def _run(verb: Verb, args: Namespace) -> int:
    """Run a verb; what the user did wrong is one message, anything else a traceback."""
    try:
        status = verb.run(args)
        sys.stdout.flush()
        return status or 0
    except NeuroncError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader has seen enough; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
