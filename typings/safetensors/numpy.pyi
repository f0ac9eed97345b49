import os
from collections.abc import Mapping

from numpy import generic
from numpy.typing import NDArray

def save_file(
    tensor_dict: Mapping[str, NDArray[generic]],
    filename: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None: ...
def load_file(filename: str | os.PathLike[str]) -> dict[str, NDArray[generic]]: ...
