"""Small models of many families give what eager PyTorch gives."""

from __future__ import annotations

import pytest
import torch
from torch_compare import compare
from torch_zoo import ZOO, exact, make

import neuronc
import neuronc.torch

TOLERANCE = 2e-5
"""Of the largest value: sums of up to 1536 products in another order, over a dozen layers."""
HALVES = ("MLP", "Llama", "Llama decode", "LSTM", "VAE decoder")


@pytest.mark.parametrize("name", list(ZOO))
def test_a_model_agrees_with_eager_pytorch(name: str) -> None:
    found = compare(make(name))
    assert found.error <= TOLERANCE
    assert found.library_share < 2e-3
    assert found.state == {"Llama prefill": 6, "Llama decode": 6}.get(name, 0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", HALVES)
def test_in_sixteen_bits_a_model_is_as_good_as_eager_pytorch(name: str, dtype: torch.dtype) -> None:
    case = make(name, dtype)
    found = compare(case, exact(name, case))
    # Both round the same number of times, at places that differ in part: the largest of two
    # samples of one distribution. One more spacing of the type, for errors that are all luck.
    assert found.error <= 2 * found.eager + torch.finfo(dtype).eps


def test_a_cache_is_an_extra_result_in_the_memory_of_its_argument() -> None:
    model, args, kwargs = make("Llama decode")
    exported = neuronc.torch.export(model, args, kwargs)
    signature = neuronc.load(neuronc.torch.compile_exported(exported)).signature
    tied = {i.name: signature.outputs[i.donated].name for i in signature.inputs if i.donated >= 0}
    assert tied == {name: name for name in exported.state}
