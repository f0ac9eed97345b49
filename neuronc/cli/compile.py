"""Compile a StableHLO program to an artifact, and report what it costs on the target.

The program is MLIR text or bytecode, a portable artifact of `jax.export`, an HLO module, or a
`.pt2` file of `torch.export.save`; its form is found by content. Errors name the file and the line.

Examples:
  neuronc compile model.mlir -o model.neff
  neuronc compile model.mlir -o model.neff --target trn3 --json > report.json
  neuronc compile exported.bin -o model.neff --symbol b=4
  neuronc compile model.pt2 -o model.neff --shape x=8x128
  neuronc compile model.mlir -o model.neff --external-weights weights.safetensors
  neuronc compile model.mlir --stop-after fused | less
  neuronc compile model.mlir -o model.neff --cache-dir ~/.cache/neuronc
  cat model.mlir | neuronc compile - -o model.neff --dump-ir ir
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from neuronc import api
from neuronc.cache import LIMIT_BYTES
from neuronc.cli.cache import configure_cache
from neuronc.cli.naturals import natural
from neuronc.cli.progress import watch
from neuronc.cli.shapes import configure_shapes, shapes_of
from neuronc.cli.streams import program_of, write_text
from neuronc.cli.torch_files import is_torch, torch_files
from neuronc.hardware import DEFAULT_TARGET, GENERATIONS
from neuronc.observe import PassTime
from neuronc.pipeline import STAGE_NAMES


def configure(parser: ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("program", metavar="PROGRAM", help="the program's file, or - for standard input")
    add("-o", "--output", type=Path, metavar="FILE", help="where to write the artifact, or the IR")
    add("--target", choices=GENERATIONS, default=DEFAULT_TARGET, help="default: %(default)s")
    configure_shapes(parser)
    weights = "put constants above 1 KiB into this safetensors file"
    add("--external-weights", type=Path, metavar="FILE", help=weights)
    add("--stop-after", choices=STAGE_NAMES, help="print the IR after this stage and stop")
    add("--dump-ir", type=Path, metavar="DIR", help="write the IR after each stage into DIR")
    configure_cache(parser)
    limit = "MiB that the cache keeps; what was not used for longest goes (default: %(default)s)"
    add("--cache-limit", type=natural, default=LIMIT_BYTES >> 20, metavar="MIB", help=limit)
    add("--time-passes", action="store_true", help="print how long each pass took")
    add("--json", action="store_true", help="print the report as JSON")
    add("-q", "--quiet", action="store_true", help="print no report and no progress")
    add("-v", "--verbose", action="store_true", help="print each pass as it ends")


def run(args: Namespace) -> None:
    """Compile, write, report; or print the IR of a stage."""
    if args.stop_after:
        write_text(_lower(args), args.output)
        return
    if args.output is None:
        raise ArgumentTypeError("-o FILE is required, unless --stop-after prints the IR")
    compiled = _compile(args)
    compiled.save(args.output)
    if compiled.not_kept:
        print(f"warning: {compiled.not_kept}", file=sys.stderr)
    if args.time_passes and not args.json:
        print(_times(compiled.passes), file=sys.stderr)
    if not args.quiet:
        print(_json(compiled) if args.json else _text(args.output, compiled))


def _compile(args: Namespace) -> api.Compiled:
    source, name = program_of(args.program)
    if is_torch(source):
        return _compile_torch(args, source, name)
    with watch(args.quiet, args.verbose) as watching:
        return api.compile(
            source,
            args.target,
            shapes=shapes_of(args),
            external_weights=args.external_weights,
            dump_ir=args.dump_ir,
            name=name,
            observe=watching.observe,
            progress=watching.progress,
            cache_dir=args.cache_dir,
            cache_limit_bytes=args.cache_limit << 20,
        )


def _compile_torch(args: Namespace, source: Path | bytes, name: str) -> api.Compiled:
    with watch(args.quiet, args.verbose) as watching:
        compiled: api.Compiled = torch_files(name).compile_file(
            source,
            args.target,
            name=name,
            shapes=shapes_of(args),
            external_weights=args.external_weights or False,
            dump_ir=args.dump_ir,
            observe=watching.observe,
            progress=watching.progress,
            cache_dir=args.cache_dir,
            cache_limit_bytes=args.cache_limit << 20,
        )
    return compiled


def _lower(args: Namespace) -> str:
    source, name = program_of(args.program)
    if is_torch(source):
        source = torch_files(name).module_of_file(source, name, shapes_of(args))
    with watch(args.quiet, args.verbose) as watching:
        return api.lower(
            source,
            args.stop_after,
            args.target,
            shapes=shapes_of(args),
            dump_ir=args.dump_ir,
            name=name,
            observe=watching.observe,
        )


def _json(compiled: api.Compiled) -> str:
    passes = [asdict(step) for step in compiled.passes]
    more = {"passes": passes, "cached": compiled.cached}
    return json.dumps(compiled.report.to_dict() | more, indent=2)


def _text(output: Path, compiled: api.Compiled) -> str:
    return f"{output}{' (from the cache)' if compiled.cached else ''}\n{compiled.report}"


def _times(passes: Sequence[PassTime]) -> str:
    lines = [f"{step.seconds:>9.4f} s  {step.stage:<12}{step.name}" for step in passes]
    return "\n".join([*lines, f"{sum(step.seconds for step in passes):>9.4f} s  total"])
