"""Run an artifact on arrays from a file, or on random ones.

Inputs are an .npz file of arrays named arg0, arg1, ... or as `neuronc inspect` names them; outputs
become out0, out1, ... Types that NumPy cannot store are kept as unsigned integers of their size.
Without -o, the outputs are printed, shortened.

Examples:
  neuronc run model.neff -i inputs.npz -o outputs.npz
  neuronc run model.neff --random 0 --time
  neuronc run model.neff --random 0 --check
  neuronc run model.neff -i inputs.npz -o outputs.npz --external-weights weights.safetensors
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from time import perf_counter

from neuronc.arrays import Array, random_inputs, read_inputs, write_outputs
from neuronc.artifact.model import TensorInfo
from neuronc.cli.naturals import natural
from neuronc.runtime.load import load
from neuronc.runtime.program import Program
from neuronc.runtime.timing import Timing, time_program
from neuronc.units import format_seconds


def configure(parser: ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("artifact", metavar="ARTIFACT")
    inputs = parser.add_mutually_exclusive_group(required=True)
    inputs.add_argument("-i", "--inputs", type=Path, metavar="FILE", help="an .npz file")
    inputs.add_argument("--random", type=natural, metavar="SEED", help="make inputs from this seed")
    add("-o", "--output", type=Path, metavar="FILE", help="the .npz file to write")
    add("--external-weights", type=Path, metavar="FILE", help="what the compiler put there")
    checks = "verify constants, poison on-chip memory, prove that accesses are ordered"
    add("--check", action="store_true", help=checks)
    add("--time", action="store_true", help="run several times and print how long it took")
    add("--json", action="store_true", help="print the signature of the outputs and times as JSON")


def run(args: Namespace) -> None:
    """Load, run, write or print."""
    start = perf_counter()
    program = load(args.artifact, args.check, args.external_weights)
    seconds = perf_counter() - start
    inputs = _inputs(args, program)
    if args.time:
        outputs, timing = time_program(program, inputs)
    else:
        outputs, timing = program(*inputs), None
    if args.output is not None:
        write_outputs(args.output, outputs)
    if args.json:
        print(_json(program, seconds, timing))
        return
    if args.output is None:
        for info, array in zip(program.signature.outputs, outputs, strict=True):
            print(_shown(info, array))
    if timing is not None:
        print(_times(seconds, timing))


def _inputs(args: Namespace, program: Program) -> list[Array]:
    infos = program.signature.inputs
    if args.inputs is None:
        return random_inputs(infos, args.random)
    return read_inputs(args.inputs, infos)


def _shown(info: TensorInfo, array: Array) -> str:
    return f"{info.name} {info.dtype}{list(info.shape)}\n{array}"


def _times(load_seconds: float, timing: Timing) -> str:
    first, rest = format_seconds(timing.first_seconds), format_seconds(timing.median_seconds)
    return f"load {format_seconds(load_seconds)}, first run {first}, then {rest} (median)"


def _json(program: Program, load_seconds: float, timing: Timing | None) -> str:
    outputs = [asdict(info) for info in program.signature.outputs]
    times = {"load_seconds": load_seconds} | asdict(timing) if timing is not None else {}
    return json.dumps({"outputs": outputs} | times, indent=2)
