"""Load an artifact, from wherever it is, as a program ready to run."""

from __future__ import annotations

import os
from typing import Protocol

from neuronc.artifact.container import Data, read
from neuronc.artifact.external import attach
from neuronc.artifact.model import Artifact
from neuronc.errors import ArtifactError, InputError
from neuronc.hardware import GENERATIONS
from neuronc.runtime.program import Program


class HasModel(Protocol):
    """What `neuronc.compile` returns: an artifact in memory, and more."""

    @property
    def model(self) -> Artifact:
        """The artifact."""
        ...


def load(
    source: str | os.PathLike[str] | Data | Artifact | HasModel,
    check: bool = False,
    weights: str | os.PathLike[str] | None = None,
) -> Program:
    """Load an artifact: from a path (mapped), its bytes, or memory.

    With `check`, constants' checksums are verified, every conflicting pair of accesses is proved
    ordered, and on-chip memory is poisoned before each kernel. `weights` is the safetensors file
    of an artifact that was compiled with external weights.

    Raises:
        InputError: there is no such file, or the weights do not fit.
        ArtifactError: the artifact is damaged.
    """
    artifact = _artifact_of(source, check)
    if artifact.target not in GENERATIONS:
        known = ", ".join(GENERATIONS)
        problem = f"unknown target {artifact.target!r}"
        raise ArtifactError("target", problem, f"known: {known}", code="NRC-0407")
    if weights is not None:
        artifact = attach(artifact, weights, check=check)
    missing = [c.external for c in artifact.constants if c.external and c.array is None]
    if missing:
        problem = f"{len(missing)} weights are in a file that was not given: {missing[0]}, ..."
        hint = "give the file with `weights=` or --external-weights"
        raise InputError("weights", problem, hint, code="NRC-0504")
    return Program(artifact, check)


def _artifact_of(
    source: str | os.PathLike[str] | Data | Artifact | HasModel, check: bool
) -> Artifact:
    if isinstance(source, Artifact):
        return source
    if isinstance(source, str | os.PathLike | Data):
        return read(source, check=check)
    return source.model
