"""Check every byte of an artifact, and of its external weights if they are given.

Loading checks everything but the elements of the constants; this reads those too. External weights
that were replaced since the compilation are refused here, though `neuronc run` takes them.

Examples:
  neuronc verify model.neff
  neuronc verify model.neff --external-weights weights.safetensors
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from neuronc.artifact.container import verify
from neuronc.artifact.external import attach


def configure(parser: ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("artifact", metavar="ARTIFACT")
    parser.add_argument("--external-weights", type=Path, metavar="FILE", help="check these too")


def run(args: Namespace) -> None:
    """Verify; silent if all is well."""
    artifact = verify(args.artifact)
    if args.external_weights is not None:
        attach(artifact, args.external_weights, check=True)
    print(f"{args.artifact}: ok")
