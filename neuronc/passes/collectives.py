"""Collectives exchange data between cores, but an artifact holds the program of one.

    all_reduce {replica_groups = [[0]]}                     stays, and is the identity
    all_reduce {replica_groups = [[0, 1]]}                  refused
    collective_permute {source_target_pairs = [[0, 1]]}     refused

So programs for several cores can be read and printed, but not compiled.
"""

from __future__ import annotations

from xdsl.ir import Operation

from neuronc.dialects.stablehlo.base import location
from neuronc.dialects.stablehlo.params import params
from neuronc.errors import UnsupportedError


def refuse_members(op: Operation) -> None:
    """Refuse an operation in which several cores take part.

    Raises:
        UnsupportedError: they do.
    """
    members = _members_max(op)
    if members > 1:
        what = f"{op.name} among {members} cores is not supported"
        hint = "compile the program of one core, where each group has one member"
        raise UnsupportedError(location(op), what, hint, code="NRC-0213")


def _members_max(op: Operation) -> int:
    """Members of the largest group; of all pairs together, which may form chains."""
    groups = params(op).get("replica_groups") or []
    pairs = params(op).get("source_target_pairs") or []
    assert isinstance(groups, list)
    assert isinstance(pairs, list)
    cores = {core for pair in pairs if isinstance(pair, list) for core in pair}
    sizes = [len(group) for group in groups if isinstance(group, list)]
    return max([len(cores), *sizes])
