"""How far neuronc's numbers are from JAX's, and both from the truth.

    python benchmarks/accuracy.py                           every full-size model, some minutes
    python benchmarks/accuracy.py --small                   the small variants, under a minute
    python benchmarks/accuracy.py gpt2-prefill-bf16 --json

An error is the largest difference in an output relative to its largest value, for the worst output.
The truth is the same network with the same (for bf16: rounded) weights and inputs, evaluated by JAX
in float64; a model whose weights are constants of the module has none here. NaN is an error of NaN.
"""

# pyright: reportUnknownMemberType=false
# Parts of jax are not annotated.

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from models import FULL, MODELS, SMALL, Model, relative_error
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import neuronc

Arrays = list[NDArray[np.generic]]


@dataclass(frozen=True)
class Row:
    """The errors of one model; None where there is no float64 evaluation."""

    model: str
    outputs: int
    neuronc_to_jax: float
    neuronc_to_float64: float | None
    jax_to_float64: float | None


def run_neuronc(model: Model, target: str) -> Arrays:
    """The outputs by the compiled artifact."""
    artifact = neuronc.compile(model.lower(), target=target)
    return list(neuronc.load(artifact)(*model.arrays()))


def widen(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """Floating-point arrays in float64, others as they are."""
    return array.astype(np.float64) if jnp.issubdtype(array.dtype, jnp.floating) else array


def run_float64(model: Model) -> Arrays | None:
    """The outputs in float64, if the model's weights are among its arguments."""
    if model.constants:
        return None
    with jax.enable_x64(True):
        return replace(model, args=jax.tree.map(widen, model.args)).run_jax()


def compare(name: str, target: str) -> Row:
    """Run one model every way there is."""
    model = MODELS[name]()
    by_neuronc = run_neuronc(model, target)
    by_jax, exact = model.run_jax(), run_float64(model)
    return Row(
        name,
        len(by_jax),
        relative_error(by_neuronc, by_jax),
        None if exact is None else relative_error(by_neuronc, exact),
        None if exact is None else relative_error(by_jax, exact),
    )


def table(rows: list[Row]) -> Table:
    """The rows for people."""
    result = Table(title="largest error relative to the largest output")
    result.add_column("model", no_wrap=True)
    result.add_column("outputs", justify="right")
    for header in ("neuronc to JAX", "neuronc to float64", "JAX to float64"):
        result.add_column(header, justify="right")
    for row in rows:
        errors = (row.neuronc_to_jax, row.neuronc_to_float64, row.jax_to_float64)
        cells = ("" if error is None else f"{error:.1e}" for error in errors)
        result.add_row(row.model, str(row.outputs), *cells)
    return result


def main() -> None:
    """Compare the models asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", help=", ".join({**FULL, **SMALL}))
    parser.add_argument("--small", action="store_true", help="the small variants of all models")
    parser.add_argument("--target", default="trn2")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    names = options.models or list(SMALL if options.small else FULL)
    if unknown := set(names) - {*FULL, *SMALL}:
        parser.error(f"no such model: {', '.join(sorted(unknown))}")
    rows = [compare(name, options.target) for name in names]
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        Console().print(table(rows))


if __name__ == "__main__":
    main()
