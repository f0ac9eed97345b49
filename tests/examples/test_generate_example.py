"""Text generation, against Hugging Face's own greedy `generate`."""

from __future__ import annotations

import json
import sys

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import generate  # noqa: E402

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


@pytest.mark.parametrize("top_k", [0, 1, 3, 1000])
def test_only_the_most_likely_are_drawn(top_k: int) -> None:
    torch.manual_seed(0)
    logits = torch.tensor([0.1, 2.0, 0.3, 1.5, 1.0])
    drawn = {generate.Sampling(1.0, top_k)(logits) for _ in range(200)}
    # The least likely of all five is missed 200 times in one case of 10^5.
    assert drawn == {0: {0, 1, 2, 3, 4}, 1: {1}, 3: {1, 3, 4}, 1000: {0, 1, 2, 3, 4}}[top_k]


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    torch._dynamo.reset()
    monkeypatch.setattr(sys, "argv", ["generate.py", *words])
    generate.main()


def test_the_command_says_how_fast(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "--random", "gpt2", "--tokens", "4")
    out = capsys.readouterr().out
    for words in ("tokens per second   ", "tokens per second on trn2 estimated", "copied bytes"):
        assert words in out
    run(monkeypatch, "--random", "gpt2", "--tokens", "4", "-q")
    assert capsys.readouterr().out.startswith("The quick brown fox")


def test_a_prompt_of_one_token_has_one_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "--random", "gpt2", "--prompt", "a", "--tokens", "1", "--json")
    said = json.loads(capsys.readouterr().out)
    assert said["prompt_tokens"] == len(said["tokens"]) == 1
    assert "tokens_per_second" not in said


def test_more_positions_than_the_model_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="519 positions, and the model has 512"):
        run(monkeypatch, "--random", "gpt2", "--tokens", "500")


def test_generation_ends_at_the_end_token(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "--random", "llama", "--tokens", "6", "--json")
    first = json.loads(capsys.readouterr().out)["tokens"]
    made = generate.random_model
    end = first[3]

    def ending(name: str) -> object:
        model = made(name)
        model.generation_config.eos_token_id = [end]
        return model

    monkeypatch.setattr(generate, "random_model", ending)
    run(monkeypatch, "--random", "llama", "--tokens", "6", "--json")
    assert json.loads(capsys.readouterr().out)["tokens"] == first[: first.index(end) + 1]
