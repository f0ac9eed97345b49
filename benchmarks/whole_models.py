"""What whole models take on the target: modelled latency, MFU, MBU, and HBM bytes.

    python benchmarks/whole_models.py                         the models of the issue, on trn2
    python benchmarks/whole_models.py gpt2-xl-bf16 --target trn3

MFU is of the tensor engine's bf16 peak, MBU of the core's share of HBM, whatever the type. `DMA` is
how long the DMA engines are busy, `exposed` how long they are while no engine computes. The models
are those of `benchmarks/models.py`; weights are arguments, so most need no values.
"""

from __future__ import annotations

import argparse

from models import MODELS
from rich.console import Console
from rich.table import Table

import neuronc
from neuronc.hardware import DEFAULT_TARGET, GENERATIONS
from neuronc.profile import Profile, profile_of

NAMES = (
    "gpt2-124m-bf16", "gpt2-xl-bf16", "gpt2-124m", "gpt2-decode", "minilm-batch",
    "resnet18-batch", "train-step",
)  # fmt: skip


def row(name: str, target: str) -> tuple[str, ...]:
    """One model, compiled and simulated."""
    profile = profile_of(neuronc.compile(MODELS[name]().lower(), target).model)
    return (name, f"{1e3 * profile.seconds:.2f}", *_shares(profile), *_bytes(profile))


def _shares(profile: Profile) -> tuple[str, ...]:
    times = profile.busy_seconds.get("dma", 0.0), profile.exposed_dma_seconds
    return (
        f"{100 * profile.mfu:.1f} %",
        f"{100 * profile.mbu:.1f} %",
        *(f"{1e3 * seconds:.2f}" for seconds in times),
    )


def _bytes(profile: Profile) -> tuple[str, ...]:
    moved, least = profile.hbm_moved_bytes, profile.hbm_compulsory_bytes
    return f"{moved / 1e6:.0f}", f"{moved / least:.2f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", choices=[*MODELS, []], metavar="MODEL")
    parser.add_argument("--target", choices=GENERATIONS, default=DEFAULT_TARGET)
    args = parser.parse_args()
    header = "model", "ms", "MFU", "MBU", "DMA ms", "exposed ms", "HBM MB", "/ compulsory"
    table = Table(*header, title=args.target)
    for name in args.models or NAMES:
        table.add_row(*row(name, args.target))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
