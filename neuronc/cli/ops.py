"""List the operations that neuronc compiles, as a program spells them.

Examples:
  neuronc ops
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from neuronc.frontend.supported import supported_ops


def configure(parser: ArgumentParser) -> None:
    """No options."""


def run(args: Namespace) -> None:
    """Print one name a line."""
    print("\n".join(supported_ops()))
