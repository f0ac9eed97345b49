"""From tiles to an artifact: select, allocate, emit, synchronise, plan the program."""
