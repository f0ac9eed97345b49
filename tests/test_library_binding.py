"""A library call that the runtime cannot run is one clear error."""

import pytest

from neuronc.artifact.model import LibraryCall
from neuronc.errors import ArtifactError
from neuronc.runtime.indirect import bind_library


def test_an_unknown_library_function_is_a_coded_error():
    with pytest.raises(ArtifactError, match="NRC-0508: 'nothing' is not a library function"):
        bind_library(LibraryCall("nothing", "{}", (), ()), ())
