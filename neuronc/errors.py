"""The errors a user can cause: where, what with both values, what to do.

Everything else that is raised is a bug of neuronc and stays a traceback.
"""

from __future__ import annotations


class NeuroncError(Exception):
    """One clear message: `where: error: NRC-0123: problem`, with a hint of what to do.

    The code says which kind of problem it is; `neuronc explain NRC-0123` tells more.
    """

    def __init__(self, where: str, problem: str, hint: str = "", *, code: str = "") -> None:
        super().__init__(where, problem, hint)
        self.where = where
        self.problem = problem
        self.hint = hint
        self.code = code

    def at(self, where: str) -> NeuroncError:
        """The same at another place."""
        return type(self)(where, self.problem, self.hint, code=self.code)

    def __str__(self) -> str:
        """Render as the command line prints it."""
        code = f"{self.code}: " if self.code else ""
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{self.where}: error: {code}{self.problem}{hint}"


class InputError(NeuroncError):
    """The file, argument or array that was handed in is not what it should be."""


class UnsupportedError(NeuroncError):
    """The program uses something that neuronc does not compile."""


class CapacityError(NeuroncError):
    """The program needs more on-chip or device memory than the target has."""


class ArtifactError(NeuroncError):
    """A `model.neff` is damaged, too new, or not an artifact at all."""


class ExecutionError(NeuroncError):
    """A run broke a rule of the machine: out of bounds, unordered, deadlocked."""
