"""Bring a program to its simplest equal form with MLIR's own passes.

    composites and foreign spellings of kept functions    chlo.erf, chlo.top_k, ..
    other composites, quantised types, CHLO, deprecated   StableHLO
    sharding annotations                                  dropped
    asynchronous operations                               run where they start
    calls                                                 inlined into the one function @main
    tuples of arguments and results                       their members
    dynamic shapes that follow from the arguments         static
    repeated and dead operations                          merged and erased

Source lines of operations survive.
"""

from __future__ import annotations

from collections.abc import Callable

from jaxlib.mlir import ir

from neuronc.frontend.approximate import search_exactly
from neuronc.frontend.asynchronous import run_at_start
from neuronc.frontend.calls import entry_function, inline_calls
from neuronc.frontend.census import Census, census
from neuronc.frontend.functions import hide_kept, is_kept, restore_kept, unhide_kept
from neuronc.frontend.gaps import refuse_gaps
from neuronc.frontend.given import Shapes
from neuronc.frontend.mlir import input_errors, name_of, operations, run_passes
from neuronc.frontend.moving_slices import slice_by_start
from neuronc.frontend.quantised import holds_quantised, legalise_quantised
from neuronc.frontend.scans import scan_forwards
from neuronc.frontend.shapes import is_dynamic, refine_shapes
from neuronc.frontend.sharding import drop_sharding
from neuronc.frontend.source import Program
from neuronc.frontend.tuples import flatten_tuples

COMPOSITES = "stablehlo-legalize-composite-to-call"
CHLO = "chlo-legalize-to-stablehlo"
DEPRECATED = "stablehlo-legalize-deprecated-ops{fail-on-unused=false}"
CLEAN = "canonicalize,cse,symbol-dce"


FORMS: tuple[tuple[Callable[[ir.Module], object], tuple[str, ...]], ...] = (
    (restore_kept, ("stablehlo.composite", "stablehlo.custom_call", "mhlo.")),
    (drop_sharding, ("sdy.", "mhlo.copy", "stablehlo.custom_call")),
    (run_at_start, ("stablehlo.async_start",)),
    (search_exactly, ("stablehlo.custom_call",)),
    (scan_forwards, ("chlo.scan",)),
)
"""What gives foreign forms their own, and the operations that it looks for."""


def normalise(program: Program, refine: Shapes) -> ir.Operation:
    """Normalise in place; returns the function `@main`, the only one left."""
    module = program.module
    with input_errors(module.context, program.name):
        found = _restore_forms(module, census(module))
        if found.has("stablehlo.composite"):
            run_passes(module, f"func.func({COMPOSITES})")
        if holds_quantised(found.types):
            legalise_quantised(module, program.name)
            found = census(module)
        if found.has("chlo."):
            _legalise_chlo(module, program.name)
        run_passes(module, f"func.func({DEPRECATED})")
        with module.context, ir.Location.unknown():
            entry = entry_function(module, program.name)
            if census(module).has("func.call"):
                inline_calls(module, entry)
            flatten_tuples(entry)
        if refine or is_dynamic(entry):
            refine_shapes(module, entry, refine, program.name)
            with module.context, ir.Location.unknown():
                slice_by_start(entry)
        run_passes(module, CLEAN)
        module.operation.verify()
    return entry


def _restore_forms(module: ir.Module, found: Census) -> Census:
    """Run what is needed of FORMS; returns what the module has then."""
    for rewrite, names in FORMS:
        if found.has(*names):
            with module.context, ir.Location.unknown():
                rewrite(module)
            found = census(module)
    return found


def _legalise_chlo(module: ir.Module, name: str) -> None:
    """Expand the CHLO operations that are not kept; the pass would expand all, so hide the rest."""
    chlo = [op for op in operations(module.operation) if name_of(op).startswith("chlo.")]
    if all(is_kept(op) for op in chlo):
        return
    refuse_gaps(chlo, name)
    with module.context, ir.Location.unknown():
        hide_kept(chlo)
    run_passes(module, f"func.func({CHLO})")
    with module.context, ir.Location.unknown():
        unhide_kept(module)
