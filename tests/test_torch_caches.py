"""Hugging Face's caches as arguments and outputs: `use_cache` is on unless a model is told."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
hf: Any = pytest.importorskip("transformers")

from torch.utils import _pytree  # noqa: E402

import neuronc.torch  # noqa: E402
from neuronc.torch.elements import to_numpy  # noqa: E402
from tests.torch_bounds import FLOAT32  # noqa: E402

SMALL = {
    "vocab_size": 99,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}


def tensors(value: Any) -> list[Any]:
    return [leaf for leaf in _pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def prompt(model: Any) -> dict[str, Any]:
    """No cache comes in, one goes out."""
    return {"input_ids": torch.randint(4, 90, (2, 7))}


def decode(make: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    """One token more, after a prompt that filled the cache."""

    def call(model: Any) -> dict[str, Any]:
        cache = make(model.config)
        with torch.no_grad():
            model(**prompt(model), past_key_values=cache)
        return {"input_ids": torch.randint(4, 90, (2, 1)), "past_key_values": cache}

    return call


CALLS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "prompt": prompt,
    "dynamic": decode(lambda config: hf.DynamicCache(config=config)),
    "static": decode(lambda config: hf.StaticCache(config=config, max_cache_len=16)),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_cache_is_its_tensors(name: str) -> None:
    torch.manual_seed(0)
    model = hf.LlamaForCausalLM(hf.LlamaConfig(**SMALL)).eval()
    kwargs = CALLS[name](model)
    again = copy.deepcopy(kwargs)
    program = neuronc.load(neuronc.torch.compile_model(model, (), kwargs))
    found = program(*(np.array(to_numpy(t)) for t in tensors(kwargs)))
    with torch.no_grad():
        wanted = tensors(model(**again))
    assert len(wanted) >= 5  # logits, keys and values of two layers
    for ours, theirs in zip(found, wanted, strict=False):
        np.testing.assert_allclose(ours, to_numpy(theirs), **FLOAT32)
