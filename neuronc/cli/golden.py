r"""Record what a reference computes for a program, and check against that later.

`record` keeps the program, inputs, the reference's outputs, tolerances and where they are from;
`check` compiles and runs the program, and says of each output how far it moved, in units in the
last place and relative to its largest element. It exits with 1 if one is outside its tolerance.

Examples:
  neuronc golden record model.mlir -o tests/golden/mlp --reference jax
  neuronc golden record model.mlir -o tests/golden/mlp -i inputs.npz --tolerance out0=4,1e-6
  neuronc golden record model.mlir -o tests/golden/mlp -i inputs.npz --reference files \
      --expected outputs.npz --origin "trn2, SDK 2.21"
  neuronc golden check tests/golden/mlp
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from neuronc import golden
from neuronc.cli.naturals import natural
from neuronc.cli.streams import program_of
from neuronc.golden_compare import Tolerance
from neuronc.hardware import DEFAULT_TARGET, GENERATIONS


def configure(parser: ArgumentParser) -> None:
    """Add the two actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    text = "run the reference and keep its outputs"
    _configure_record(actions.add_parser("record", help=text, description=text))
    text = "compile, run, and compare with what was recorded"
    _configure_check(actions.add_parser("check", help=text, description=text))


def _configure_record(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("program", metavar="PROGRAM", help="the program's file, or - for standard input")
    add("-o", "--output", type=Path, metavar="DIR", required=True, help="where to keep all")
    add("--reference", choices=golden.REFERENCES, default="jax", help="default: %(default)s")
    add("-i", "--inputs", type=Path, metavar="FILE", help="an .npz file; default: random")
    add("--seed", type=natural, default=0, help="of random inputs; default: %(default)s")
    add("--expected", type=Path, metavar="FILE", help="the .npz file of the reference files")
    add("--origin", default="", metavar="TEXT", help="who computed the reference files")
    tolerance = "what an output may be off, in units in the last place or relative to its largest"
    form = "OUT=ULP,RELATIVE"
    add("--tolerance", type=_tolerance, action="append", default=[], metavar=form, help=tolerance)


def _configure_check(parser: ArgumentParser) -> None:
    parser.add_argument("directories", nargs="+", metavar="DIR", help="what `record` wrote")
    parser.add_argument("--target", choices=GENERATIONS, default=DEFAULT_TARGET)


def run(args: Namespace) -> int:
    """Record, or check all directories; 1 if an output moved."""
    return _record(args) if args.action == "record" else _check(args)


def _record(args: Namespace) -> int:
    source, name = program_of(args.program)
    golden.record(
        source,
        args.output,
        reference=args.reference,
        seed=args.seed,
        inputs=args.inputs,
        expected=args.expected,
        tolerances=dict(args.tolerance),
        origin=args.origin,
    )
    print(f"{args.output}: recorded {name}")
    return 0


def _check(args: Namespace) -> int:
    moved = False
    for directory in args.directories:
        report = golden.check(directory, args.target)
        print(report)
        moved |= not report.ok
    return int(moved)


def _tolerance(text: str) -> tuple[str, Tolerance]:
    name, _, limits = text.rpartition("=")
    try:
        ulp, relative = map(float, limits.split(","))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not like out0=4,1e-6") from None
    return name, Tolerance(ulp, relative)
