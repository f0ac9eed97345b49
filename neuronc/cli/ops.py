"""List the operations, and what runs each of them at which element types.

The engines are those of the instructions that ran in the tests. `folded` is what left none: a view
of its operand, or a constant. An operation refuses a type with the code beside it; types that are
not listed StableHLO itself does not allow.

Examples:
  neuronc ops
  neuronc ops stablehlo.add chlo.erf
  neuronc ops --json | jq '."stablehlo.sort".f32'
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from neuronc.coverage import by_engine, operations


def configure(parser: ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("names", nargs="*", metavar="OP", help="only these; by default all")
    parser.add_argument("--json", action="store_true", help="print engines by type as JSON")


def run(args: Namespace) -> None:
    """Print the table."""
    chosen = operations(args.names)
    if args.json:
        print(json.dumps(chosen, indent=1))
        return
    for op, kinds in chosen.items():
        print(op)
        for column, texts in by_engine(kinds).items():
            print(f"  {column:<8} {', '.join(texts)}")
