"""Show what an artifact holds: signature, constants, kernels, cost on its target, provenance.

Examples:
  neuronc inspect model.neff
  neuronc inspect model.neff --json | jq .report
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from neuronc.artifact.container import read
from neuronc.listing import inspect, inspect_dict


def configure(parser: ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("artifact", metavar="ARTIFACT")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: Namespace) -> None:
    """Read and print."""
    artifact = read(args.artifact)
    print(json.dumps(inspect_dict(artifact), indent=2) if args.json else inspect(artifact))
