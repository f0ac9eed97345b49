"""What torch_families.py forks from: everything imported, and one model exported and compiled.

Torch and neuronc look much up at the first model only: 5 s of imports, and 2 s of a first export.
"""

# pyright: basic

from __future__ import annotations

from importlib import import_module

import torch

import neuronc.torch

import_module("transformers.modeling_utils")
import_module("torch_compare")
torch.set_num_threads(1)  # a process that has run threads cannot be forked safely
neuronc.torch.compile_model(torch.nn.Linear(2, 2), (torch.ones(1, 2),))
