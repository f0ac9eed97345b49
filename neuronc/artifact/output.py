"""Write a file whole or not at all.

The bytes go to a temporary file beside the target, which takes its name only when all of them are
written; any error leaves what was there before. Pipes and devices are written directly.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from neuronc.errors import InputError


@contextmanager
def new_path(path: str | os.PathLike[str]) -> Generator[Path]:
    """Name an empty file to fill; it becomes `path` when the block ends without an error.

    Raises:
        InputError: the file cannot be created or written.
    """
    direct = os.path.exists(path) and not os.path.isfile(path)
    # A link is followed by hand, for renaming replaces it; one to a pipe leads nowhere.
    target = Path(path if direct else os.path.realpath(path))
    temporary = target if direct else target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        temporary.open("wb" if direct else "xb").close()
        yield temporary
        if not direct:
            temporary.replace(target)
    except OSError as error:
        hint = "name a file in a directory that exists and has room, and that you may write to"
        problem = f"cannot write: {error.strerror or error}"
        raise InputError(os.fspath(path), problem, hint, code="NRC-0605") from error
    finally:
        if not direct:
            with suppress(OSError):
                temporary.unlink()


@contextmanager
def new_file(path: str | os.PathLike[str]) -> Generator[BinaryIO]:
    """Open `path` for writing; it appears, whole, when the block ends without an error.

    Raises:
        InputError: the file cannot be created or written.
    """
    with new_path(path) as temporary, temporary.open("wb") as file:
        yield file
