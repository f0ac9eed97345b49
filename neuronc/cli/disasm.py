"""Print the instructions of an artifact, by kernel and engine, with their source lines.

`wait dma_in>=2` holds an instruction back until that engine has finished two of the kernel's.

Examples:
  neuronc disasm model.neff
  neuronc disasm model.neff --kernel 0 --engine tensor
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from neuronc.artifact.container import read
from neuronc.isa.table import ENGINES
from neuronc.listing import disassembly


def configure(parser: ArgumentParser) -> None:
    """Add the options."""
    engines = [engine.name.lower() for engine in ENGINES]
    parser.add_argument("artifact", metavar="ARTIFACT")
    parser.add_argument("--kernel", default="", help="only this one, by name or number")
    parser.add_argument("--engine", choices=engines, default="", help="only this engine's stream")


def run(args: Namespace) -> None:
    """Read and print."""
    for line in disassembly(read(args.artifact), args.kernel, args.engine):
        print(line)
