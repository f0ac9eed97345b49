"""Files as memory: the operating system brings a page when it is first touched."""

from __future__ import annotations

import mmap
import os

from neuronc.errors import InputError


def map_file(path: str | os.PathLike[str]) -> memoryview:
    """Map a file, read-only, for as long as a view of it lives.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                return memoryview(file.read())
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        problem = f"cannot read: {error.strerror or error}"
        hint = "name a file that exists and that you may read"
        raise InputError(os.fspath(path), problem, hint, code="NRC-0101") from error
