"""Small models of many families give what eager PyTorch gives."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch_zoo import ZOO, make, tensors

import neuronc
import neuronc.torch
from neuronc.torch.elements import to_numpy

TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 2e-2}
"""Of the largest value. float32: sums of up to 512 products in another order, over a dozen layers.
bfloat16: eager rounds to 8 bits at other places; twice its spacing of 2^-7."""


@pytest.mark.parametrize("name", list(ZOO))
def test_a_model_agrees_with_eager_pytorch(name: str) -> None:
    model, args, kwargs = make(name)
    before = copy.deepcopy(model)
    exported = neuronc.torch.export(model, args, kwargs)
    compiled = neuronc.torch.compile_exported(exported)
    with torch.no_grad():
        wanted = tensors(before(*args, **kwargs))
    inputs = [to_numpy(t) for t in (*tensors((args, kwargs)), *exported.state.values())]
    found = neuronc.load(compiled)(*inputs)[: len(exported.outputs)]
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        want, got = theirs.double().numpy(), ours.astype(np.float64)
        scale = np.abs(want).max()
        np.testing.assert_allclose(got / scale, want / scale, atol=TOLERANCE[theirs.dtype], rtol=0)
    report = compiled.report
    assert report.library_flops < 2e-3 * report.tensor_flops


def test_a_cache_is_an_extra_result_in_the_memory_of_its_argument() -> None:
    model, args, kwargs = make("Llama decode")
    exported = neuronc.torch.export(model, args, kwargs)
    signature = neuronc.load(neuronc.torch.compile_exported(exported)).signature
    tied = {i.name: signature.outputs[i.donated].name for i in signature.inputs if i.donated >= 0}
    assert tied == {name: name for name in exported.state}
