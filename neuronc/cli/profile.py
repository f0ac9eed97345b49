"""Show where the time of an artifact goes on its target, and write a trace of it.

Times are modelled: each record at its price, when its queue and its waits let it run. A trace opens
in https://ui.perfetto.dev or chrome://tracing.

Examples:
  neuronc profile model.neff
  neuronc profile model.neff -o trace.json
  neuronc profile model.neff --ramp --json | jq .mfu
  neuronc profile generate.neff --trips 64
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from neuronc.artifact.container import read
from neuronc.cli.naturals import natural
from neuronc.profile import Profile, profile_of, top
from neuronc.trace import write_trace
from neuronc.units import format_bytes, format_seconds, format_share


def configure(parser: ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("artifact", metavar="ARTIFACT")
    parser.add_argument("-o", "--output", metavar="TRACE", help="write a trace, as JSON")
    parser.add_argument("--ramp", action="store_true", help="start the tensor engine at half rate")
    parser.add_argument(
        "--trips",
        type=natural,
        default=1,
        metavar="N",
        help="how often loops run whose count depends on data (default: 1)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: Namespace) -> None:
    """Read, time, write the trace, print."""
    artifact = read(args.artifact)
    found = profile_of(artifact, args.ramp, args.trips)
    if args.output:
        write_trace(artifact, found, args.output)
    if args.json:
        print(json.dumps(found.to_dict(), indent=2))
        return
    for name, text in _rows(found, args.trips):
        print(f"  {name:<14}{text}")
    for title, seconds in _tables(found):
        _print_table(title, seconds, found.seconds)


def _rows(found: Profile, trips: int) -> list[tuple[str, str]]:
    moved, least = found.hbm_moved_bytes, found.hbm_compulsory_bytes
    times = f", {moved / least:.2f} times" if least else ""
    return [
        ("target", found.target),
        (
            "latency",
            f"{format_seconds(found.seconds)} modelled, "
            f"{_count(sum(found.counts.values()), 'kernel call')}{_assumed(found, trips)}",
        ),
        ("MFU", f"{100 * found.mfu:.1f} % of the tensor engine's bf16 peak"),
        ("MBU", f"{100 * found.mbu:.1f} % of the HBM bandwidth"),
        ("exposed DMA", _of(found.exposed_dma_seconds, found.seconds)),
        ("HBM moved", f"{format_bytes(moved)}{times} the {format_bytes(least)} that it must"),
    ]


def _assumed(found: Profile, trips: int) -> str:
    loops = found.assumed_loops
    if not loops:
        return ""
    return f"; {_count(loops, 'loop')} assumed to run {_count(trips, 'time')} (--trips)"


def _tables(found: Profile) -> list[tuple[str, Mapping[str, float]]]:
    return [
        ("kernels", _kernels(found)),
        ("busy", found.busy_seconds),
        ("critical path by engine", found.critical_by_engine),
        ("critical path by operation", top(found.critical_by_op)),
        ("busy by operation", top(found.busy_by_op)),
    ]


def _kernels(found: Profile) -> dict[str, float]:
    """Seconds of all calls, by kernel and how often it is called."""
    rows = {f"{name} x {row['calls']}": row["seconds"] for name, row in found.kernels().items()}
    return top(rows)


def _print_table(title: str, seconds: Mapping[str, float], whole: float) -> None:
    """A table on a terminal; in a pipe, lines of the same."""
    console = Console(highlight=False)
    if not console.is_terminal:
        print(f"  {title}")
        for name, each in seconds.items():
            print(f"    {format_seconds(each):>8}  {format_share(each, whole):>7}  {name}")
        return
    table = Table(title=title, title_justify="left", box=None)
    for heading in ("time", "share"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for name, each in seconds.items():
        table.add_row(format_seconds(each), format_share(each, whole), name)
    console.print(table)


def _of(seconds: float, whole: float) -> str:
    return f"{format_seconds(seconds)} ({format_share(seconds, whole)})"


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'s' * (number != 1)}"
