"""The driver holds each stage to what it says it leaves."""

import pytest
from xdsl.dialects.builtin import ModuleOp

from neuronc.dialects.program import MaterializeOp
from neuronc.pipeline import STAGE_NAMES, assert_leaves, stages


def test_a_stage_that_leaves_a_foreign_dialect_is_a_bug():
    module = ModuleOp([MaterializeOp.create()])
    tiled = next(s for s in stages("trn2") if s.name == "tiled")
    assert_leaves(module, tiled)
    narrow = type(tiled)("narrow", (), frozenset({"builtin"}))
    with pytest.raises(AssertionError, match="stage narrow left ops of program"):
        assert_leaves(module, narrow)


def test_the_stages_are_named_in_order():
    assert ("loaded", *(stage.name for stage in stages("trn1"))) == STAGE_NAMES
