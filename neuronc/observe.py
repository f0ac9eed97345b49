"""What may watch a compilation: pass by pass, without changing anything."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from neuronc.artifact.output import new_file
from neuronc.errors import InputError
from neuronc.ir import print_ir
from neuronc.pipeline import STAGE_NAMES, Observer


@dataclass(frozen=True)
class PassTime:
    """One pass that ran."""

    stage: str
    name: str
    seconds: float


@dataclass(frozen=True)
class PassTimes:
    """Remembers every pass and its time."""

    passes: list[PassTime] = field(default_factory=list[PassTime])

    def __call__(self, stage: str, name: str, seconds: float, module: ModuleOp) -> None:
        """Note one pass."""
        self.passes.append(PassTime(stage, name, seconds))


@dataclass(frozen=True)
class StageFiles:
    """Writes the IR that each stage leaves behind to `DIRECTORY/NUMBER-STAGE.mlir`."""

    directory: Path

    def __call__(self, stage: str, name: str, seconds: float, module: ModuleOp) -> None:
        """Write, or, after a later pass of the stage, replace the stage's file."""
        if stage in STAGE_NAMES:
            number = STAGE_NAMES.index(stage)
            with new_file(self.directory / f"{number}-{stage}.mlir") as file:
                file.write(print_ir(module).encode())


def write_stages(directory: str | os.PathLike[str]) -> StageFiles:
    """Make the directory and the observer that fills it.

    Raises:
        InputError: the directory cannot be made.
    """
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"cannot make this directory: {error.strerror or error}"
        raise InputError(os.fspath(directory), problem, code="NRC-0605") from None
    return StageFiles(Path(directory))


def together(observers: Sequence[Observer]) -> Observer:
    """One observer that calls all."""

    def observe(stage: str, name: str, seconds: float, module: ModuleOp) -> None:
        for observer in observers:
            observer(stage, name, seconds, module)

    return observe
