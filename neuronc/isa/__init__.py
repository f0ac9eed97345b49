"""The instruction set: operands, instructions and their records. One table, everything derived."""
