"""The public StableHLO test programs load; numbers are judged elsewhere."""

import importlib.util
import sys
from pathlib import Path

import pytest

from neuronc.dialects.stablehlo.dialect import OPS
from neuronc.frontend.load import load_module

CORPUS = Path("/work/shared/stablehlo")
EVERY = 10
"""Load one in so many programs, to stay within a few seconds."""


@pytest.mark.skipif(not (CORPUS / "cases.zip").exists(), reason="the corpus is not here")
def test_the_corpus_loads():
    spec = importlib.util.spec_from_file_location("stablehlo_cases", CORPUS / "cases.py")
    library = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = library
    spec.loader.exec_module(library)
    for index, case in enumerate(library.cases(CORPUS / "cases.zip")):
        if index % EVERY == 0:
            module = load_module(case.program, name=case.id)
            module.verify()
            assert {op.name for op in module.walk()} - set(OPS) <= FRAME


FRAME = {"builtin.module", "func.func", "func.return"}
