"""Llama-2-7B without its weights: export and compile on the meta device, weights external.

    python benchmarks/torch_llama.py [--tokens 128] [--layers 32]

Prints seconds of each step and the peak memory of the process. No weight is ever made: the
parameters are on torch's meta device, and the artifact names the tensors of a checkpoint.
"""

from __future__ import annotations

import argparse
import resource
from time import perf_counter

import torch
from transformers import LlamaConfig, LlamaForCausalLM

import neuronc.torch


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--target", default="trn3")
    parser.add_argument("--output", default="")
    args = parser.parse_args()
    start = perf_counter()
    config = LlamaConfig(
        vocab_size=32000,
        hidden_size=4096,
        intermediate_size=11008,
        num_hidden_layers=args.layers,
        num_attention_heads=32,
        num_key_value_heads=32,
        max_position_embeddings=4096,
    )
    with torch.device("meta"):
        torch.set_default_dtype(torch.bfloat16)
        model = LlamaForCausalLM(config).eval()
        torch.set_default_dtype(torch.float32)
        ids = torch.zeros(1, args.tokens, dtype=torch.long)
    kwargs = {"input_ids": ids, "use_cache": False}
    built = perf_counter()
    exported = neuronc.torch.export(model, (), kwargs)
    emitted = perf_counter()
    compiled = neuronc.torch.compile_exported(exported, external_weights=True, target=args.target)
    done = perf_counter()
    if args.output:
        compiled.save(args.output)
    count = sum(t.numel() for t in exported.weights.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"parameters   {count / 1e9:.2f} G in {len(exported.weights)} tensors, all external")
    print(f"build        {built - start:.1f} s")
    print(f"export       {emitted - built:.1f} s")
    print(f"compile      {done - emitted:.1f} s")
    print(f"total        {done - start:.1f} s")
    print(f"peak memory  {peak:.2f} GiB")
    print(compiled.report)


if __name__ == "__main__":
    main()
