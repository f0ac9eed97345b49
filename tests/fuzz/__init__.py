"""A differential fuzzer: typed random StableHLO programs, run by neuronc and by XLA on CPU.

    python -m tests.fuzz --minutes 30 --seed 1

values -> scope (text of a program) -> rules_* (what may be appended) -> strategy (hypothesis)
-> oracle (XLA) -> trial (compare)
"""
