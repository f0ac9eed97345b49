"""A directory of compiled models, so that the same program is not compiled twice.

The key is all that the artifact's bytes depend on: the program's bytes as given (source lines are
part of an artifact, so they are part of the key), its name in messages, the flags, the weights that
are given beside it, the target's numbers, and the compiler: its version, a hash of its source, and
the libraries that it uses. An entry is the artifact, and beside it the parts of its key as JSON,
from which `explain` says what differs.

Processes share a directory without locks: files appear by renaming, whoever finds one missing
compiles, and an entry that is being read survives its removal. Every byte of an entry is checked
when it is used, and a damaged one is dropped. Beyond the size limit, the entries that have not been
used for longest go.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from numpy.typing import NDArray

from neuronc.artifact.constants import sha256_of
from neuronc.artifact.container import read, write
from neuronc.artifact.model import Artifact
from neuronc.errors import ArtifactError, InputError
from neuronc.hardware import GENERATIONS
from neuronc.version import VERSION

LIMIT_BYTES = 8 * 1024**3
"""How much a cache keeps, unless told otherwise."""
ENVIRONMENT = "NEURONC_CACHE_DIR"
_LIBRARIES = ("jax", "jaxlib", "xdsl", "numpy", "ml_dtypes")
_ABANDONED_SECONDS = 3600
Parts = Mapping[str, str]
"""The parts of a key, by name."""


@dataclass(frozen=True)
class Entry:
    """One compiled model of a cache."""

    key: str
    parts: Parts
    """Empty where they are missing or damaged; the artifact may still be good."""
    path: Path
    bytes: int
    used: float
    """When it was last used, in seconds since the epoch."""


@dataclass(frozen=True)
class Explanation:
    """Whether a program is in a cache, or what differs from the entry most like it."""

    key: str
    hit: bool
    nearest: Entry | None
    differences: Mapping[str, tuple[str, str]]
    """Of each part that differs, what it was and what it is."""
    damaged: bool = False
    """Whether there is an entry, but not as it was written."""

    def __str__(self) -> str:
        """As `neuronc cache explain` prints it."""
        if self.hit:
            return f"in the cache as {self.key[:16]}"
        if self.damaged:
            return f"in the cache as {self.key[:16]}, but damaged: it will be compiled again"
        if self.nearest is None:
            return "not in the cache, which is empty"
        lines = [f"not in the cache; the entry most like it is {self.nearest.key[:16]}:"]
        for name, (was, now) in self.differences.items():
            lines.append(f"  {name} was {was or 'not given'}, is {now or 'not given'}")
        return "\n".join(lines)


def parts_of(content: str, name: str, flags: Mapping[str, str]) -> dict[str, str]:
    """The parts of a key: of a program with this hash and name, compiled with these flags."""
    target = GENERATIONS[flags["target"]]
    parts = {"content": content, "name": name, "hardware": _digest(repr(target).encode())[:16]}
    parts |= {f"flag {key}": value for key, value in flags.items()}
    return parts | _compiler()


def weight_parts(weights: Mapping[str, NDArray[Any]], named: bool) -> dict[str, str]:
    """The parts of a key that weights are: their contents.

    Of those that keep their names, types and shapes, since nothing depends on their contents.
    """
    kept = "named " if named else ""
    return {
        f"{kept}weight {name}": f"{array.dtype} {list(array.shape)}"
        + ("" if named else f" {sha256_of(array)[:32]}")
        for name, array in weights.items()
    }


def with_weights(artifact: Artifact, weights: Mapping[str, NDArray[Any]]) -> Artifact:
    """An entry with the weights attached that are not in its file."""
    constants = [
        replace(c, array=weights[c.external]) if c.external in weights else c
        for c in artifact.constants
    ]
    return replace(artifact, constants=tuple(constants))


def key_of(parts: Parts) -> str:
    """One name for all the parts."""
    return _digest(json.dumps(dict(parts), sort_keys=True).encode())


@dataclass(frozen=True)
class Cache:
    """The entries of a directory."""

    directory: Path
    limit_bytes: int = LIMIT_BYTES

    def get(self, parts: Parts) -> Artifact | None:
        """The artifact, every byte checked, or None; a damaged one is removed."""
        path = self._path(key_of(parts))
        try:
            artifact = read(path, check=True)
        except InputError:
            return None
        except ArtifactError:
            self._remove(path)
            return None
        with suppress(OSError):
            os.utime(path)
        return artifact

    def make(self) -> None:
        """Make the directory, if there is none.

        Raises:
            InputError: it cannot be made.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = f"cannot make this directory: {error.strerror or error}"
            raise InputError(os.fspath(self.directory), problem, code="NRC-0605") from None

    def put(self, parts: Parts, artifact: Artifact) -> None:
        """Keep an artifact, and let the oldest go if there are too many.

        Raises:
            InputError: the directory cannot be written.
        """
        path = self._path(key_of(parts))
        mark = f".{os.getpid()}.{threading.get_ident()}.tmp"
        temporary = path.with_name(path.name + mark)
        write(artifact, temporary)
        text = json.dumps(dict(parts), indent=2, sort_keys=True)
        try:
            described = temporary.with_suffix(".json-tmp")
            described.write_text(text)
            described.replace(path.with_suffix(".json"))
            temporary.replace(path)
        except OSError as error:
            problem = f"cannot write: {error.strerror or error}"
            raise InputError(os.fspath(path), problem, code="NRC-0605") from error
        self._evict(path)

    def entries(self) -> list[Entry]:
        """What is there, last used first."""
        return sorted(self._entries(), key=lambda entry: (-entry.used, entry.key))

    def explain(self, parts: Parts) -> Explanation:
        """Whether there is an entry, and if not, what differs from the nearest."""
        key = key_of(parts)
        try:
            read(self._path(key), check=True)
            return Explanation(key, True, None, {})
        except ArtifactError:
            return Explanation(key, False, None, {}, damaged=True)
        except InputError:
            entries = [entry for entry in self.entries() if entry.parts]
        if not entries:
            return Explanation(key, False, None, {})
        nearest = min(entries, key=lambda entry: _distance(entry.parts, parts))
        return Explanation(key, False, nearest, _differences(nearest.parts, parts))

    def clear(self) -> int:
        """Remove all entries; how many there were."""
        entries = self.entries()
        for entry in entries:
            self._remove(entry.path)
        return len(entries)

    def _path(self, key: str) -> Path:
        return self.directory / f"{key}.neff"

    def _entries(self) -> Iterator[Entry]:
        for path in self.directory.glob("*.neff"):
            # Another process may remove an entry, or be writing it.
            with suppress(OSError):
                status = path.stat()
                parts = _read_parts(path.with_suffix(".json"))
                yield Entry(path.stem, parts, path, status.st_size, status.st_mtime)

    def _evict(self, kept: Path) -> None:
        """Remove what has not been used for longest, but never the entry just made."""
        total = 0
        for entry in self.entries():
            total += entry.bytes
            if total > self.limit_bytes and entry.path != kept:
                self._remove(entry.path)
        parts = (p for p in self.directory.glob("*.json") if not p.with_suffix(".neff").exists())
        for path in (*self.directory.glob("*tmp"), *parts):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                    path.unlink()

    def _remove(self, path: Path) -> None:
        for each in (path, path.with_suffix(".json")):
            with suppress(OSError):
                each.unlink()


def chosen_directory(given: str | os.PathLike[str] | None) -> Path | None:
    """The directory that is given, else that of the environment, else none."""
    name = given if given is not None else os.environ.get(ENVIRONMENT)
    return Path(name) if name else None


@cache
def _compiler() -> dict[str, str]:
    """The compiler and what it computes with; its source counts, for whoever changes it."""
    root = Path(__file__).parent
    files = [p for p in sorted(root.rglob("*")) if p.suffix in (".py", ".json")]
    digest = hashlib.sha256()
    for path in files:
        digest.update(os.fsencode(path.relative_to(root)) + b"\0" + path.read_bytes() + b"\0")
    parts = {"compiler": f"neuronc {VERSION} {digest.hexdigest()[:16]}"}
    return parts | {name: version(name) for name in _LIBRARIES}


def _read_parts(path: Path) -> Parts:
    """What an entry says it is; nothing if it cannot be read."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return cast("Parts", found) if isinstance(found, dict) else {}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _differences(was: Parts, now: Parts) -> dict[str, tuple[str, str]]:
    names = sorted({*was, *now})
    pairs = {name: (was.get(name, ""), now.get(name, "")) for name in names}
    return {name: (_short(a), _short(b)) for name, (a, b) in pairs.items() if a != b}


def _distance(was: Parts, now: Parts) -> tuple[bool, bool, int]:
    """The same program is nearest, then one of the same name, then the fewest differences."""
    differ = _differences(was, now)
    return "content" in differ, "name" in differ, len(differ)


def _short(text: str) -> str:
    return text[:16] if len(text) == 64 else text
