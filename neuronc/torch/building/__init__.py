"""Writing StableHLO, by what an operation does; `neuronc.torch.build.Build` is all of it."""
