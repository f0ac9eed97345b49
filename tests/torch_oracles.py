"""What torch-mlir and torchax make of our models, run by XLA: a program of its own.

    PYTHONPATH=.:benchmarks python tests/torch_oracles.py torch_mlir|torchax OUT.npz NAME ...

OUT holds the outputs as "NAME/0", "NAME/1", and the reason as "NAME/error" where an oracle gives
up. It runs beside the tests because importing torchax renames a device of torch's, after which
`torch.compile` fails; each of the two sees the program of `torch.export` as it is.
"""

# pyright: basic
# Neither oracle is typed.

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram
from torch.utils import _pytree
from torch_zoo import make

from tests.fuzz.oracle import compile_program

Run = Callable[[ExportedProgram, Any, Any], list[np.ndarray]]


def torch_mlir(program: ExportedProgram, args: Any, kwargs: Any) -> list[np.ndarray]:
    """By torch-mlir's importer, with weights as arguments."""
    fx: Any = import_module("torch_mlir.fx")
    table: Any = import_module("torch_mlir.extras.fx_decomp_util").get_decomposition_table()
    plain: Any = program.run_decompositions(table)
    module = fx.stateless_fx_import(plain.graph_module, output_type="stablehlo", model_name="main")
    inputs = [*_weights(plain), *_leaves((args, kwargs))]
    found = compile_program(str(module))(inputs)
    changed = len(plain.graph_signature.buffers_to_mutate)
    return found[changed:]


def torchax(program: ExportedProgram, args: Any, kwargs: Any) -> list[np.ndarray]:
    """By torchax's export, which JAX calls."""
    export: Any = import_module("torchax.export")
    weights, exported = export.exported_program_to_stablehlo(program)
    made: Any = exported.call(weights, (_leaves((args, kwargs)),))
    return [np.asarray(a) for a in import_module("jax").tree.leaves(made)]


def _leaves(value: Any) -> list[np.ndarray]:
    """Arguments in order; both oracles take plain values too."""
    return [np.asarray(leaf) for leaf in _pytree.tree_leaves(value) if leaf is not None]


def _weights(program: Any) -> list[np.ndarray]:
    """In the order of the graph's placeholders."""
    kinds = import_module("torch.export.graph_signature").InputKind
    specs = [s for s in program.graph_signature.input_specs if s.kind is not kinds.USER_INPUT]
    known = {**program.constants, **program.state_dict}
    return [known[s.target].detach().numpy() for s in specs]


ORACLES: dict[str, Run] = {"torch_mlir": torch_mlir, "torchax": torchax}


def main() -> None:
    """Run one oracle on some models."""
    oracle, out, *names = sys.argv[1:]
    found: dict[str, Any] = {}
    for name in names:
        model, args, kwargs = make(name)
        try:
            with torch.no_grad():
                program = torch.export.export(model, tuple(args), dict(kwargs))
                made = ORACLES[oracle](program, args, kwargs)
            found |= {f"{name}/{i}": array for i, array in enumerate(made)}
        except Exception as failure:
            found[f"{name}/error"] = np.array(f"{type(failure).__name__}: {failure}"[:300])
    np.savez(out, **found)


if __name__ == "__main__":
    main()
