"""The IR dialects of the compiler, from the program's own operations down to the machine's."""
