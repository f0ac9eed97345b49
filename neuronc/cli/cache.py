"""Look into a directory of compiled models (`neuronc compile --cache-dir DIR`).

`explain` says whether a program is there, or what keeps the entry most like it from being used;
`list` shows the entries, last used first; `clear` removes them.

Examples:
  neuronc cache explain model.mlir --target trn2 --cache-dir DIR
  NEURONC_CACHE_DIR=DIR neuronc cache list
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import UTC, datetime
from pathlib import Path

from neuronc import api
from neuronc.cache import ENVIRONMENT, Cache, Entry, chosen_directory
from neuronc.cli.shapes import configure_shapes, shapes_of
from neuronc.cli.streams import program_of
from neuronc.cli.torch_files import is_torch, torch_files
from neuronc.hardware import DEFAULT_TARGET, GENERATIONS
from neuronc.units import format_bytes


def configure_cache(parser: ArgumentParser) -> None:
    """Add the option that names the directory."""
    text = f"a directory of compiled models (default: {ENVIRONMENT} if it is set)"
    parser.add_argument("--cache-dir", type=Path, metavar="DIR", help=text)


def configure(parser: ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    text = "say whether a program is in the cache, or what differs"
    explain = actions.add_parser("explain", help=text, description=text)
    explain.add_argument("program", metavar="PROGRAM", help="as for `neuronc compile`")
    explain.add_argument("--target", choices=GENERATIONS, default=DEFAULT_TARGET)
    configure_shapes(explain)
    text = "as for `neuronc compile`; which file does not matter"
    explain.add_argument("--external-weights", type=Path, metavar="FILE", help=text)
    configure_cache(explain)
    for name, text in (("list", "show the entries"), ("clear", "remove all entries")):
        configure_cache(actions.add_parser(name, help=text, description=text))


def run(args: Namespace) -> None:
    """Do one action."""
    directory = chosen_directory(args.cache_dir)
    if directory is None:
        raise ArgumentTypeError(f"name a directory with --cache-dir or {ENVIRONMENT}")
    if args.action == "explain":
        source, name = program_of(args.program)
        explain = torch_files(name).explain_file if is_torch(source) else api.explain_cache
        found = explain(
            source,
            args.target,
            cache_dir=directory,
            shapes=shapes_of(args),
            external_weights=args.external_weights is not None,
            name=name,
        )
        print(f"{name}: {found}")
    elif args.action == "list":
        entries = Cache(directory).entries()
        print("\n".join(map(_line, entries)) or f"{directory}: no entries")
    else:
        print(f"{directory}: removed {Cache(directory).clear()}")


def _line(entry: Entry) -> str:
    used = datetime.fromtimestamp(entry.used, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
    flags = " ".join(
        f"{name.removeprefix('flag ')}={value}"
        for name, value in entry.parts.items()
        if name.startswith("flag ")
    )
    size, name = format_bytes(entry.bytes), entry.parts.get("name", "(its description is damaged)")
    return f"{entry.key[:16]}  {used}  {size:>10}  {name}  {flags}"
