"""The conformance runner: programs with expected outputs, compiled, run from bytes, compared.

python -m tests.conformance ../shared/stablehlo/cases.zip [--json] [--only PART OF AN ID]
"""
