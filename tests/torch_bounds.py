"""How near results must be to eager torch's."""

FLOAT32 = {"rtol": 2e-5, "atol": 2e-5}
"""The bound of the model matrix: a few hundred sums in float32, in another order than eager's."""
