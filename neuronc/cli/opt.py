"""Run single passes on a program and print the IR, for tests and for people.

The program is StableHLO, or the IR of any stage as neuronc prints it.

Examples:
  neuronc opt --passes simplify,decompose model.mlir
  neuronc compile model.mlir --stop-after tiled | neuronc opt --passes select,allocate -
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from neuronc import api
from neuronc.cli.streams import program_of, write_text
from neuronc.hardware import DEFAULT_TARGET, GENERATIONS
from neuronc.pipeline import stages


def configure(parser: ArgumentParser) -> None:
    """Add the options."""
    known = dict.fromkeys(step.name for stage in stages(DEFAULT_TARGET) for step in stage.passes)
    passes = f"separated by commas: {', '.join(known)}"
    parser.add_argument("program", metavar="PROGRAM", help="a file, or - for standard input")
    parser.add_argument("--passes", default="", metavar="A,B", help=passes)
    parser.add_argument("--target", choices=GENERATIONS, default=DEFAULT_TARGET)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: print")


def run(args: Namespace) -> None:
    """Run the passes and print."""
    source, name = program_of(args.program)
    passes = [word for word in args.passes.split(",") if word]
    write_text(api.opt(source, passes, args.target, name), args.output)
