"""Say everything that keeps a program from compiling, in one go and without compiling it.

There is one error for each operation, type, shape and memory limit, with the line of the source
and what to do; the exit status is 1 if there is any.

Examples:
  neuronc check model.mlir
  neuronc check model.mlir --target trn1 --symbol batch=4
  neuronc check model.pt2
  neuronc check model.mlir --json | jq -r '.[].code'
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from neuronc.checking import check
from neuronc.cli.shapes import configure_shapes, shapes_of
from neuronc.cli.streams import program_of
from neuronc.cli.torch_files import is_torch, torch_files
from neuronc.errors import NeuroncError
from neuronc.hardware import DEFAULT_TARGET, GENERATIONS


def configure(parser: ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("program", metavar="PROGRAM", help="the program's file, or - for standard input")
    add("--target", choices=GENERATIONS, default=DEFAULT_TARGET, help="default: %(default)s")
    configure_shapes(parser)
    add("--json", action="store_true", help="print the errors as a JSON list")


def run(args: Namespace) -> int:
    """Check and print."""
    found: list[NeuroncError]
    source, name = program_of(args.program)
    if is_torch(source):
        found = torch_files(name).check_file(source, args.target, name=name, shapes=shapes_of(args))
    else:
        found = check(source, args.target, shapes=shapes_of(args), name=name)
    if args.json:
        print(json.dumps([_row(error) for error in found], indent=2))
    else:
        print("\n".join(map(str, found)) or f"{name}: ok")
    return 1 if found else 0


def _row(error: NeuroncError) -> dict[str, str]:
    """The error as JSON."""
    return {
        "where": error.where,
        "code": error.code,
        "problem": error.problem,
        "hint": error.hint,
    }
