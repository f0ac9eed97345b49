"""Collectives of one core alone: each is the identity on its operands.

Programs for several cores exchange data through the collective instructions; these entries serve
programs whose groups have one member.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuronc.numerics.casting import Array
from neuronc.runtime.library.registry import Params, ResultType, library


@library(
    "all_reduce",
    "all_gather",
    "reduce_scatter",
    "all_to_all",
    "collective_broadcast",
    "cross-replica-sum",
)
def identity(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """The operands."""
    return list(operands)


@library("collective_permute")
def collective_permute(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """The operand when core 0 sends to itself, else zeros."""
    pairs = [[int(core) for core in pair] for pair in params.get("source_target_pairs", [])]
    return [x if [0, 0] in pairs else np.zeros_like(x) for x in operands]


@library("partition_id", "replica_id")
def core_id(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """Number 0."""
    return [np.zeros((), np.uint32)]
