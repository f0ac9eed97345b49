"""Explain the code of an error: its cause, an example that fails so, and one that works.

Examples:
  neuronc explain NRC-0203
  neuronc explain 203
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from neuronc.explain import explain


def configure(parser: ArgumentParser) -> None:
    """Add the argument."""
    parser.add_argument("code", metavar="CODE", help="as errors print it, or only its digits")


def run(args: Namespace) -> None:
    """Print the page."""
    print(explain(args.code), end="")
