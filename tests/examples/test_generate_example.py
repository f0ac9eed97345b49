"""Text generation, against Hugging Face's own greedy `generate`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import generate  # noqa: E402

EXAMPLE = Path(generate.__file__)
PROMPT = list(b"The quick brown fox")
TOKENS = 12


def addresses(generator: generate.Generator) -> list[int]:
    """Where the keys and values of each layer lie."""
    layers = generator.cache.layers
    return [tensor.data_ptr() for layer in layers for tensor in (layer.keys, layer.values)]


@pytest.mark.parametrize("family", list(generate.RANDOM))
def test_tokens_are_those_of_transformers(family: str) -> None:
    torch._dynamo.reset()
    model = generate.random_model(family)
    generator = generate.Generator(model, 48)
    places = addresses(generator)
    stream = generator.tokens(PROMPT)
    ours: list[int] = []
    for _ in range(TOKENS):
        ours.append(next(stream))
        assert addresses(generator) == places
    wanted = model.generate(
        torch.tensor([PROMPT]), max_new_tokens=TOKENS, do_sample=False, pad_token_id=0
    )
    assert ours == wanted[0, len(PROMPT) :].tolist()
    prefill, decode = generator.programs
    assert prefill.artifact.outputs[0].shape[1] == 32
    for program in (prefill, decode):
        held = {array.ctypes.data for array in program.bound.values()}
        assert held.issuperset(places)
        assert not [k for k in program.artifact.kernels if k.name.startswith("copy_f32")]
    # The logits come out; a token and the positions of the two layers, 64 bits each, go in.
    assert decode.copied_bytes == 4 * generate.BYTES + 8 * 3


def test_a_prompt_of_another_length_uses_the_same_programs() -> None:
    torch._dynamo.reset()
    model = generate.random_model("llama")
    generator = generate.Generator(model, 48)
    for prompt in (PROMPT, PROMPT[:17]):
        stream = generator.tokens(prompt)
        ours = [next(stream) for _ in range(4)]
        wanted = model.generate(
            torch.tensor([prompt]), max_new_tokens=4, do_sample=False, pad_token_id=0
        )
        assert ours == wanted[0, len(prompt) :].tolist()
    assert len(generator.programs) == 2


def test_the_command_says_how_fast() -> None:
    command = [sys.executable, str(EXAMPLE), "--random", "gpt2", "--tokens", "4"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "tokens/s" in done.stdout
    assert "estimated" in done.stdout
