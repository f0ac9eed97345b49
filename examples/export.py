"""Write a JAX function as StableHLO, with its inputs beside it.

    DIR/model.mlir    MLIR bytecode of jax.jit(fn).lower(*args), with source locations
    DIR/inputs.npz    arg0, arg1, ...: the leaves of args, in the order of the module's parameters

Shapes alone (`jax.ShapeDtypeStruct` leaves) are enough for the module; then no inputs are written,
and `neuronc run --random SEED` makes some.
"""

# pyright: reportUnknownMemberType=false
# Parts of jax are not annotated.

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import jax
import numpy as np
from numpy.typing import NDArray

Function = Callable[..., object]
Example = tuple[Function, tuple[object, ...]]
"""A function and arguments to call it with: pytrees of NumPy arrays, or of shapes."""


def lower(fn: Function, args: Sequence[object], donate: Sequence[int] = ()) -> jax.stages.Lowered:
    """Trace `fn`, keeping every argument, so that parameters and leaves correspond."""
    return jax.jit(fn, donate_argnums=tuple(donate), keep_unused=True).lower(*args)


def arrays(tree: object) -> list[NDArray[np.generic]]:
    """The leaves of `tree` as NumPy arrays, in the order of the module's parameters."""
    leaves = cast("list[NDArray[np.generic]]", jax.tree.leaves(tree))
    return [np.asarray(leaf) for leaf in leaves]


def run_jax(fn: Function, args: Sequence[object]) -> list[NDArray[np.generic]]:
    """The leaves of fn(*args), as JAX computes them here."""
    return arrays(cast("object", jax.jit(fn)(*args)))


def storable(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """`array` itself, or its bits as unsigned integers if NumPy files cannot name its type."""
    return array if array.dtype.isbuiltin == 1 else array.view(f"u{array.itemsize}")


def is_concrete(tree: object) -> bool:
    """Whether all leaves are arrays, not just shapes."""
    return not any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(tree))


def write_module(lowered: jax.stages.Lowered, path: Path) -> None:
    """Write the StableHLO module of `lowered` as MLIR bytecode."""
    module = lowered.compiler_ir("stablehlo")
    assert module is not None
    with path.open("wb") as file:
        module.operation.write_bytecode(file)


def write_inputs(args: Sequence[object], path: Path) -> None:
    """Write the leaves of `args` as arg0, arg1, ..."""
    leaves = {f"arg{i}": storable(array) for i, array in enumerate(arrays(args))}
    np.savez(path, allow_pickle=False, **leaves)


def export(
    fn: Function, args: Sequence[object], directory: Path, donate: Sequence[int] = ()
) -> None:
    """Write `model.mlir`, and `inputs.npz` if the arguments have values, into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    write_module(lower(fn, args, donate), directory / "model.mlir")
    if is_concrete(args):
        write_inputs(args, directory / "inputs.npz")


def command_line(description: str | None, *, required: bool = True) -> argparse.ArgumentParser:
    """A parser with the options every example has."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", required=required, help="where to write"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random weights and inputs")
    return parser
