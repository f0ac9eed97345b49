"""Generate text with a Hugging Face model: prefill and decode compiled once, the cache in place.

    python examples/generate.py --random llama --tokens 20
    python examples/generate.py --random gpt2 --prompt "Once upon a time" --temperature 0.8
    python examples/generate.py /path/to/checkpoint --target trn3 --top-k 50 --temperature 1
    python examples/generate.py --random qwen3 --json | jq .tokens_per_second

Any causal model of `transformers` that takes a static cache will do: GPT-2, Llama, Qwen, Gemma.
Generation ends at the model's end token, or after `--tokens`.
The prompt is padded to a bucket, so prompts of many lengths share one program; what the padding
wrote into the cache is written over before it is read. Keys and values stay where they are from the
first token to the last. A random model has no words, so its text is bytes.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# Parts of torch and transformers are not annotated.

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from rich.console import Console
from rich.progress import track
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma2Config,
    GPT2Config,
    LlamaConfig,
    Qwen3Config,
    StaticCache,
)
from transformers.cache_utils import StaticLayer

from neuronc.hardware import DEFAULT_TARGET, GENERATIONS
from neuronc.report import report_of
from neuronc.runtime.program import Program

BUCKET = 16
"""Prompts are padded to a multiple of this."""
BYTES = 256
SMALL: dict[str, Any] = {
    "vocab_size": BYTES,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
RANDOM: dict[str, Callable[[], Any]] = {
    "llama": lambda: LlamaConfig(**SMALL),
    "qwen3": lambda: Qwen3Config(**SMALL, head_dim=32),
    "gemma2": lambda: Gemma2Config(**SMALL, head_dim=32, sliding_window=24),
    "gpt2": lambda: GPT2Config(vocab_size=BYTES, n_embd=128, n_layer=2, n_head=4, n_positions=512),
}


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen."""

    temperature: float = 0.0
    """0 takes the most likely one."""
    top_k: int = 0
    """So many of the most likely may be drawn; 0 is all."""

    def __call__(self, logits: torch.Tensor) -> int:
        """A token, of logits [V]."""
        if self.temperature == 0:
            return int(logits.argmax())
        scaled = logits.float() / self.temperature
        if 0 < self.top_k < len(scaled):
            scaled = scaled.where(scaled >= scaled.topk(self.top_k).values[-1], -torch.inf)
        return int(torch.multinomial(scaled.softmax(0), 1))


GREEDY = Sampling()


@dataclass
class Generator:
    """A model whose two programs share one cache of `length` positions."""

    model: Any
    length: int
    target: str = DEFAULT_TARGET
    programs: list[Program] = field(default_factory=list[Program])
    """Prefill and decode, once they have run."""

    def __post_init__(self) -> None:
        self.cache = StaticCache(config=self.model.config, max_cache_len=self.length)
        # A sliding layer counts its positions in Python, and each token would be a program of its
        # own. Here every layer keeps all positions, and the model's mask keeps to the window.
        cast(Any, self.cache).layers = [
            StaticLayer(max_cache_len=self.length) for _ in self.cache.layers
        ]
        config = self.model.config
        heads = getattr(config, "num_key_value_heads", config.num_attention_heads)
        width = getattr(config, "head_dim", None)
        width = width or config.hidden_size // config.num_attention_heads
        self.cache.early_initialization(1, heads, width, self.model.dtype, self.model.device)
        options: dict[str, Any] = {"target": self.target, "observe": self.programs.append}
        self._step = torch.compile(
            self._logits, backend="neuronc", options=options, fullgraph=True, dynamic=False
        )

    def _logits(self, ids: torch.Tensor) -> torch.Tensor:
        """ids[1, S] to logits[1, S, V], with the cache extended by S positions."""
        return self.model(input_ids=ids, past_key_values=self.cache, use_cache=True).logits

    def logits(self, ids: Sequence[int], start: int) -> torch.Tensor:
        """The logits [V] after `ids`, which stand at positions from `start`."""
        padding = -len(ids) % BUCKET if len(ids) > 1 else 0
        self._at(start)
        with torch.no_grad():
            found = self._step(torch.tensor([[*ids, *([0] * padding)]]))
        self._at(start + len(ids))
        return found[0, len(ids) - 1]

    def tokens(self, prompt: Sequence[int], sampling: Sampling = GREEDY) -> Iterator[int]:
        """Sample tokens until the cache is full."""
        logits = self.logits(prompt, 0)
        for position in range(len(prompt), self.length + 1):
            token = sampling(logits)
            yield token
            if position < self.length:
                logits = self.logits([token], position)

    def _at(self, position: int) -> None:
        for layer in self.cache.layers:
            cast(Any, layer).cumulative_length.fill_(position)


def random_model(name: str) -> Any:
    """A small model of a family with random weights, the same ones every time."""
    torch.manual_seed(0)
    return cast(Any, AutoModelForCausalLM).from_config(RANDOM[name]()).eval()


def main() -> None:
    """Generate, and say how fast here and how fast on the target."""
    arguments = _arguments()
    if arguments.random:
        model = random_model(arguments.random)
        prompt, decode = list(arguments.prompt.encode()), _from_bytes
    else:
        model = cast(Any, AutoModelForCausalLM).from_pretrained(arguments.model).eval()
        tokenizer: Any = cast(Any, AutoTokenizer).from_pretrained(arguments.model)
        prompt, decode = tokenizer.encode(arguments.prompt), tokenizer.decode
    length = _length(model, len(prompt) + arguments.tokens)
    torch.manual_seed(arguments.seed)
    generator = Generator(model, length, arguments.target)
    sampling = Sampling(arguments.temperature, arguments.top_k)
    shown = Console(quiet=arguments.quiet or arguments.json)
    found, seconds = _generate(generator, prompt, sampling, arguments.tokens, shown)
    figures = _figures(generator, len(prompt), len(found), seconds)
    if arguments.json:
        print(json.dumps({"tokens": found, "text": decode(found), **figures}, indent=2))
        return
    Console().print(decode([*prompt, *found]), markup=False)
    if not arguments.quiet:
        print("\n".join(f"{name.replace('_', ' '):<30}{n:.6g}" for name, n in figures.items()))


def _length(model: Any, positions: int) -> int:
    """So many positions as a bucket, if the model has them."""
    limit = getattr(model.config, "max_position_embeddings", positions)
    if positions > limit:
        sys.exit(f"error: prompt and --tokens are {positions} positions, and the model has {limit}")
    return -(-positions // BUCKET) * BUCKET


def _generate(
    generator: Generator, prompt: list[int], sampling: Sampling, count: int, console: Console
) -> tuple[list[int], list[float]]:
    """At most `count` tokens, up to the model's end token; and when each was there."""
    ends = _end_tokens(generator.model)
    found: list[int] = []
    seconds = [time.perf_counter()]
    stream = generator.tokens(prompt, sampling)
    for _ in track(range(count), "generating", console=console, transient=True):
        found.append(next(stream))
        seconds.append(time.perf_counter())
        if found[-1] in ends:
            break
    return found, seconds


def _end_tokens(model: Any) -> set[int]:
    end = getattr(model.generation_config, "eos_token_id", None)
    return {end} if isinstance(end, int) else set(cast(Sequence[int], end or ()))


def _figures(
    generator: Generator, prompt: int, count: int, seconds: Sequence[float]
) -> dict[str, float]:
    """How fast here, after the two steps that compile, and how fast on the target."""
    prefill, step = (report_of(p.artifact) for p in (generator.programs[0], generator.programs[-1]))
    compiled = min(2, count)
    found = {"prompt_tokens": prompt, "first_tokens_seconds": seconds[compiled] - seconds[0]}
    if count > compiled:
        found["tokens_per_second"] = (count - compiled) / (seconds[-1] - seconds[compiled])
    target = generator.target
    found[f"prefill_seconds_on_{target}_estimated"] = prefill.seconds
    found[f"tokens_per_second_on_{target}_estimated"] = 1 / step.seconds
    return found | {"copied_bytes_for_each_token": generator.programs[-1].copied_bytes}


def _from_bytes(tokens: Sequence[int]) -> str:
    return bytes(tokens).decode(errors="replace")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Generate text with a compiled model.")
    parser.add_argument("model", nargs="?", help="a checkpoint's folder")
    parser.add_argument("--random", choices=RANDOM, help="a small model with random weights")
    parser.add_argument("--prompt", default="The quick brown fox")
    parser.add_argument("--tokens", type=int, default=32, help="how many to generate at most")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 takes the most likely")
    parser.add_argument("--top-k", type=int, default=0, help="draw from so many; 0 is from all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", choices=GENERATIONS, default=DEFAULT_TARGET)
    parser.add_argument("--json", action="store_true", help="print tokens and figures as JSON")
    parser.add_argument("-q", "--quiet", action="store_true", help="print the text only")
    arguments = parser.parse_args()
    if bool(arguments.model) == bool(arguments.random):
        parser.error("give a checkpoint's folder, or --random")
    if not arguments.prompt:
        parser.error("--prompt must not be empty")
    if arguments.tokens < 1 or arguments.top_k < 0 or arguments.temperature < 0:
        parser.error("--tokens is 1 or more, --top-k and --temperature are not negative")
    return arguments


if __name__ == "__main__":
    main()
