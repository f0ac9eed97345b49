"""JAX's own tests, with neuronc in the place of XLA.

    python -m tests.jax_suite CHECKOUT --sample 60 lax_test nn_test

CHECKOUT holds JAX's `tests/` at the version that is installed; it is never part of this repository.
Each file runs in a process of its own (`plugin`, `substitute`), which writes a record for each test
(`record`); a file whose process dies goes on behind the test that it died in. What fails is tried
once more on XLA alone, so that a test that cannot pass here is not held against neuronc.
"""
