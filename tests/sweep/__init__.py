"""Every operation at every element type, as tiny programs that are compiled, run and compared.

python -m tests.sweep [--write] [--only PART OF AN ID]
"""
